/* WebSocket load: `echo_load PORT PATH CONNECTIONS BYTES SECONDS`.

Each connection sends a masked message, waits for its echo, compares all of it and sends the next.
At the end one line of JSON: {"messages": N, "wrong": N}. */
#include "echo.h"

struct peer {
    int descriptor;
    unsigned char *data;
    size_t have, sent;
};

static unsigned char *frame, *echo;
static size_t frame_size, echo_size;
static long messages, wrong;

static void make_message(size_t length) {
    static const unsigned char mask[4] = {0x5a, 0xc3, 0x17, 0x9e};
    frame = malloc(length + 14), echo = malloc(length + 14);
    size_t head = frame_head(echo, length, 2, 0);
    srandom(1);
    for (size_t i = 0; i < length; i++) echo[head + i] = random();
    echo_size = head + length;
    head = frame_head(frame, length, 2, 1);
    memcpy(frame + head, mask, 4);
    memcpy(frame + head + 4, echo + echo_size - length, length);
    apply_mask(frame + head + 4, length, mask);
    frame_size = head + 4 + length;
}

static int shake_hands(const char *port, const char *path) {
    char text[2048];
    int descriptor = connect_to(port);
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n", path, port);
    if (write(descriptor, text, length) != length) die("handshake");
    size_t have = 0;
    do {
        ssize_t count = read(descriptor, text + have, sizeof text - 1 - have);
        if (count <= 0) die("handshake: no answer");
        text[have += count] = 0;
    } while (!strstr(text, "\r\n\r\n"));
    if (strncmp(text, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "refused: %.300s\n", text);
        exit(1);
    }
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

static void send_on(struct peer *peer) {
    while (peer->sent < frame_size) {
        ssize_t count = write(peer->descriptor, frame + peer->sent, frame_size - peer->sent);
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) die("write");
        peer->sent += count;
    }
}

static void read_on(struct peer *peer) {
    for (;;) {
        size_t asked = echo_size - peer->have;
        ssize_t count = read(peer->descriptor, peer->data + peer->have, asked);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) die("closed");
        peer->have += count;
        if (peer->have == echo_size) {
            messages++;
            wrong += memcmp(peer->data, echo, echo_size) != 0;
            peer->have = peer->sent = 0;
            send_on(peer);
            return;
        }
        if ((size_t)count < asked && asked <= 4096) return;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int connections = atoi(argv[3]), poller = epoll_create1(0);
    make_message(atoi(argv[4]));
    struct peer *peers = calloc(connections, sizeof *peers);
    for (int i = 0; i < connections; i++) {
        peers[i].descriptor = shake_hands(argv[1], argv[2]);
        peers[i].data = malloc(echo_size);
        /* Edge-triggered: what is left to send goes when there is room again. */
        uint32_t events = EPOLLIN | EPOLLOUT | EPOLLET;
        watch(poller, EPOLL_CTL_ADD, peers[i].descriptor, events, &peers[i]);
    }
    struct epoll_event events[256];
    double end = now() + atof(argv[5]);
    while (now() < end) {
        int count = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < count; i++) {
            send_on(events[i].data.ptr);
            read_on(events[i].data.ptr);
        }
    }
    printf("{\"messages\": %ld, \"wrong\": %ld}\n", messages, wrong);
    return 0;
}
