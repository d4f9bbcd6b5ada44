/* Latency at a fixed rate: `pace PORT PATH CONNECTIONS PER_SECOND SECONDS`.

An open loop: requests are due at times drawn beforehand (exponential gaps, always the same), and
one that finds no free connection waits. Its time counts from when it was due, not from when it was
sent, so that a proxy that stalls cannot hide how many it kept waiting. One line of JSON:
{"requests": N, "wrong": N, "p50": µs, "p99": µs}. */
#include "echo.h"
#include <math.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

struct peer {
    int descriptor;
    double due;
    size_t have, wanted;
    char data[4096];
    struct peer *next;
};

static char request[512];
static int request_size;
static double *times;
static long answered, wrong;
static struct peer *free_peers;

static void start(struct peer *peer, double due) {
    peer->due = due;
    peer->have = peer->wanted = 0;
    if (write(peer->descriptor, request, request_size) != request_size) die("write");
}

/* 1 when the answer is whole. */
static int read_on(struct peer *peer) {
    ssize_t count =
        read(peer->descriptor, peer->data + peer->have, sizeof peer->data - 1 - peer->have);
    if (count < 0 && errno == EAGAIN) return 0;
    if (count <= 0) die("closed");
    peer->data[peer->have += count] = 0;
    if (!peer->wanted) {
        char *end = strstr(peer->data, "\r\n\r\n"), *length;
        if (!end) return 0;
        length = strcasestr(peer->data, "\r\ncontent-length:");
        if (!length || length > end) die("an answer without a length");
        peer->wanted = end + 4 - peer->data + atoi(length + 17);
        wrong += strncmp(peer->data, "HTTP/1.1 200", 12) != 0;
    }
    return peer->have >= peer->wanted;
}

static int by_size(const void *one, const void *other) {
    double difference = *(double *)one - *(double *)other;
    return (difference > 0) - (difference < 0);
}

static void wake_at(int timer, double at) {
    struct itimerspec when = {.it_value = {.tv_sec = at, .tv_nsec = fmod(at, 1) * 1e9}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void run(int poller, int timer, const double *due, long total) {
    struct epoll_event events[256];
    long begun = 0;
    while (answered < total) {
        double at = now();
        while (begun < total && due[begun] <= at && free_peers) {
            struct peer *peer = free_peers;
            free_peers = peer->next;
            start(peer, due[begun++]);
        }
        if (begun < total && due[begun] > at) wake_at(timer, due[begun]);
        int count = epoll_wait(poller, events, 256, 5000);
        if (!count) die("no answer for five seconds");
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            uint64_t ticks;
            if (!peer) {
                if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timer");
            } else if (read_on(peer)) {
                times[answered++] = now() - peer->due;
                peer->next = free_peers;
                free_peers = peer;
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    double rate = atof(argv[4]);
    long total = rate * atof(argv[5]);
    if (total < 1) return 2;
    /* Timers are to the microsecond, not to the usual 50. */
    prctl(PR_SET_TIMERSLACK, 1000);
    /* What measures should not wait for what is measured; only root may ask for that. */
    setpriority(PRIO_PROCESS, 0, -10);
    request_size = snprintf(request, sizeof request,
                            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n", argv[2], argv[1]);
    int poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(poller, EPOLL_CTL_ADD, timer, EPOLLIN, NULL);
    for (int i = 0; i < atoi(argv[3]); i++) {
        struct peer *peer = calloc(1, sizeof *peer);
        peer->descriptor = connect_to(argv[1]);
        fcntl(peer->descriptor, F_SETFL, O_NONBLOCK);
        watch(poller, EPOLL_CTL_ADD, peer->descriptor, EPOLLIN, peer);
        peer->next = free_peers;
        free_peers = peer;
    }
    double *due = malloc(total * sizeof *due), at = now() + 0.1;
    times = malloc(total * sizeof *times);
    srand48(1);
    for (long i = 0; i < total; i++) due[i] = at += -log(1 - drand48()) / rate;
    run(poller, timer, due, total);
    qsort(times, total, sizeof *times, by_size);
    printf("{\"requests\": %ld, \"wrong\": %ld, \"p50\": %.1f, \"p99\": %.1f}\n", answered, wrong,
           times[total / 2] * 1e6, times[total * 99 / 100] * 1e6);
    return 0;
}
