/* A WebSocket origin: `echo_origin PORT`. One thread, one message at a time per connection.

It agrees to no handshake that lacks what a proxy has to add, and unmasks what it sends back: a
proxy that lost or changed a byte is found out by the client. */
#include "echo.h"
#include <strings.h>

struct peer {
    int descriptor, open;
    unsigned char *data;
    size_t room, have, sent, to_send;
};

static uint32_t roll(uint32_t value, int by) { return value << by | value >> (32 - by); }

static void sha1_block(uint32_t state[5], const unsigned char *block) {
    uint32_t word[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        word[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 |
                  block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        word[i] = roll(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? (b & c) | (~b & d)
                     : i < 40 ? b ^ c ^ d
                     : i < 60 ? (b & c) | (b & d) | (c & d)
                              : b ^ c ^ d;
        static const uint32_t constant[] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
        uint32_t next = roll(a, 5) + f + e + constant[i / 20] + word[i];
        e = d, d = c, c = roll(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* Sec-WebSocket-Accept for a key of 24 characters: RFC 6455, 4.2.2. */
static void accept_for(const char *key, char out[29]) {
    unsigned char padded[128] = {0}, digest[21] = {0};
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    memcpy(padded, key, 24);
    memcpy(padded + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    padded[60] = 0x80;
    padded[126] = (60 * 8) >> 8, padded[127] = (60 * 8) & 0xff;
    sha1_block(state, padded);
    sha1_block(state, padded + 64);
    for (int i = 0; i < 20; i++) digest[i] = state[i / 4] >> (24 - 8 * (i % 4));
    static const char *letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0, o = 0; i < 21; i += 3) {
        uint32_t three = digest[i] << 16 | digest[i + 1] << 8 | digest[i + 2];
        for (int j = 0; j < 4; j++) out[o++] = letters[three >> (18 - 6 * j) & 63];
    }
    out[27] = '=', out[28] = 0;
}

/* The value of a field, or an empty text. */
static const char *field(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return "";
}

static int shake_hands(struct peer *peer) {
    static const char *wanted[] = {"X-Real-IP",       "X-Forwarded-For", "X-Forwarded-Proto",
                                   "X-Forwarded-Host", "X-Request-Id",   "Sec-WebSocket-Key"};
    char *head = (char *)peer->data, accept[29], answer[256];
    peer->data[peer->have] = 0;
    if (!strstr(head, "\r\n\r\n")) return 1;
    for (int i = 0; i < 6; i++)
        if (strcspn(field(head, wanted[i]), "\r") < 2) {
            int length = snprintf(answer, sizeof answer, "HTTP/1.1 400 No\r\nContent-Length: %zu"
                                  "\r\nConnection: close\r\n\r\nno %s", strlen(wanted[i]) + 3,
                                  wanted[i]);
            if (write(peer->descriptor, answer, length) < 0) return 0;
            return 0;
        }
    accept_for(field(head, "Sec-WebSocket-Key"), accept);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    peer->open = 1, peer->have = 0;
    return write(peer->descriptor, answer, length) == length;
}

/* Turn a whole frame into the echo of it, in place. Returns 0 for a frame that ends it all. */
static int answer_frame(struct peer *peer) {
    size_t length, head = read_head(peer->data, peer->have, &length);
    if (!head || peer->have < head + length) return 1;
    int opcode = peer->data[0] & 0xf;
    if (!(peer->data[1] & 0x80)) return 0;
    apply_mask(peer->data + head, length, peer->data + head - 4);
    unsigned char fresh[10];
    size_t used = frame_head(fresh, length, opcode == 9 ? 10 : opcode, 0);
    peer->sent = head - used;
    memcpy(peer->data + peer->sent, fresh, used);
    peer->to_send = head + length;
    return 1;
}

static int send_on(struct peer *peer) {
    while (peer->to_send) {
        ssize_t count =
            write(peer->descriptor, peer->data + peer->sent, peer->to_send - peer->sent);
        if (count < 0) return errno == EAGAIN;
        peer->sent += count;
        if (peer->sent == peer->to_send) {
            /* The next message may already have begun behind this one. */
            memmove(peer->data, peer->data + peer->to_send, peer->have - peer->to_send);
            peer->have -= peer->to_send;
            peer->to_send = 0;
            if (!answer_frame(peer)) return 0;
        }
    }
    return 1;
}

static int read_on(struct peer *peer) {
    for (;;) {
        if (peer->room - peer->have < 2048) {
            peer->room = peer->room ? peer->room * 2 : 4096;
            peer->data = realloc(peer->data, peer->room);
        }
        size_t asked = peer->room - peer->have - 1;
        ssize_t count = read(peer->descriptor, peer->data + peer->have, asked);
        if (count < 0) return errno == EAGAIN;
        if (!count) return 0;
        peer->have += count;
        if (!peer->open ? !shake_hands(peer) : !peer->to_send && !answer_frame(peer)) return 0;
        if (peer->to_send && !send_on(peer)) return 0;
        if ((size_t)count < asked) return 1;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct sockaddr_in address = loopback(argv[1]);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) die("bind");
    int poller = epoll_create1(0);
    watch(poller, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer) {
                int fresh = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fresh < 0) continue;
                no_delay(fresh);
                peer = calloc(1, sizeof *peer);
                peer->descriptor = fresh;
                /* Edge-triggered: both directions, asked for once. */
                watch(poller, EPOLL_CTL_ADD, fresh, EPOLLIN | EPOLLOUT | EPOLLET, peer);
                continue;
            }
            if (send_on(peer) && read_on(peer)) continue;
            close(peer->descriptor);
            free(peer->data);
            free(peer);
        }
    }
}
