/* What the WebSocket origin and its load share: one-piece frames, and a little of sockets. */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(2);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void no_delay(int descriptor) {
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A blocking connection to 127.0.0.1. */
static int connect_to(const char *port) {
    struct sockaddr_in address = loopback(port);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, (void *)&address, sizeof address)) die("connect");
    no_delay(descriptor);
    return descriptor;
}

static void watch(int poller, int operation, int descriptor, uint32_t events, void *with) {
    struct epoll_event event = {.events = events, .data.ptr = with};
    if (epoll_ctl(poller, operation, descriptor, &event)) die("epoll_ctl");
}

/* Bytes that a frame's head takes: masked or not. */
static size_t frame_head(unsigned char *out, size_t length, int opcode, int masked) {
    size_t used = 2;
    out[0] = 0x80 | opcode;
    if (length < 126) {
        out[1] = length;
    } else if (length < 65536) {
        out[1] = 126;
        out[2] = length >> 8;
        out[3] = length;
        used = 4;
    } else {
        out[1] = 127;
        for (int i = 0; i < 8; i++) out[2 + i] = (uint64_t)length >> (56 - 8 * i);
        used = 10;
    }
    if (masked) out[1] |= 0x80;
    return used;
}

/* Set *length to that of the payload. Bytes of the head with its mask, 0 when more are needed. */
static size_t read_head(const unsigned char *in, size_t have, size_t *length) {
    if (have < 2) return 0;
    size_t used = 2, size = in[1] & 0x7f;
    if (size == 126) {
        if (have < 4) return 0;
        size = in[2] << 8 | in[3];
        used = 4;
    } else if (size == 127) {
        if (have < 10) return 0;
        size = 0;
        for (int i = 0; i < 8; i++) size = size << 8 | in[2 + i];
        used = 10;
    }
    if (in[1] & 0x80) used += 4;
    *length = size;
    return have < used ? 0 : used;
}

static void apply_mask(unsigned char *data, size_t length, const unsigned char *mask) {
    uint64_t wide;
    size_t i = 0;
    memcpy(&wide, mask, 4);
    memcpy((char *)&wide + 4, mask, 4);
    for (; i + 8 <= length; i += 8) {
        uint64_t piece;
        memcpy(&piece, data + i, 8);
        piece ^= wide;
        memcpy(data + i, &piece, 8);
    }
    for (; i < length; i++) data[i] ^= mask[i & 3];
}

#endif
