/* More clients than can be served: `storm PORT PATH CLIENTS SECONDS PAUSE`.

Each client connects and asks `GET PATH…N`, N a number of its own for each request, and asks on
over the same connection for as long as it is answered with 200 and kept alive. One that is
refused comes again after PAUSE milliseconds. It is refused by a 503, by a connection that cannot
be made, or by one that ends before a byte of its first answer. Whatever else happens is `lost`:
an answer cut off, another status or number, a kept-alive connection that ends under a request,
or no answer within LOST seconds. One line of JSON, times in microseconds. */
#include "echo.h"

#define LOST 10.0
#define MOST 4000000

enum stage { PAUSING, CONNECTING, WAITING };

struct client {
    int descriptor, asked;
    enum stage stage;
    double began, until;
    long number;
    size_t have, wanted;
    char data[2048];
};

static const char *port, *path;
static double pause_for, end;
static int poller;
static long numbers, lost, said_503, cut_first, not_connected, answers, refusals;
static char why[200] = "";
static float *answer_times, *refusal_times;

static void note(float *times, long *count, double took) {
    if (*count < MOST) times[(*count)++] = took;
}

static void rest(struct client *client) {
    if (client->descriptor >= 0) close(client->descriptor);
    client->descriptor = -1;
    client->stage = PAUSING;
    client->until = now() + pause_for;
}

static void refused(struct client *client, long *kind) {
    ++*kind;
    note(refusal_times, &refusals, now() - client->began);
    rest(client);
}

static void is_lost(struct client *client, const char *what) {
    if (!lost++) snprintf(why, sizeof why, "%s (request %ld)", what, client->number);
    rest(client);
}

static void ask(struct client *client) {
    char request[512];
    int size;
    client->number = ++numbers;
    client->have = client->wanted = 0;
    client->stage = WAITING;
    client->until = now() + LOST;
    size = snprintf(request, sizeof request, "GET %s%ld HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path,
                    client->number);
    /* A refusal may be there already and the connection gone: reading tells. */
    if (send(client->descriptor, request, size, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
        errno != ECONNRESET)
        die("send");
}

static void come(struct client *client) {
    struct sockaddr_in address = loopback(port);
    client->began = now();
    client->asked = 0;
    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->descriptor < 0) die("socket");
    no_delay(client->descriptor);
    client->stage = CONNECTING;
    client->until = client->began + LOST;
    if (connect(client->descriptor, (void *)&address, sizeof address) && errno != EINPROGRESS) {
        refused(client, &not_connected);
        return;
    }
    watch(poller, EPOLL_CTL_ADD, client->descriptor, EPOLLOUT, client);
}

static void connected(struct client *client) {
    int error = 0;
    socklen_t size = sizeof error;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    getsockopt(client->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        refused(client, &not_connected);
        return;
    }
    epoll_ctl(poller, EPOLL_CTL_MOD, client->descriptor, &event);
    ask(client);
}

static void answered(struct client *client, char *body) {
    int keeps = !strcasestr(client->data, "\r\nconnection: close");
    if (!strncmp(client->data, "HTTP/1.1 503", 12)) {
        refused(client, &said_503);
        return;
    }
    if (strncmp(client->data, "HTTP/1.1 200", 12)) {
        is_lost(client, "another status");
        return;
    }
    if (atol(body) != client->number) {
        is_lost(client, "the answer to another request");
        return;
    }
    note(answer_times, &answers, now() - client->began);
    client->asked++;
    if (!keeps) rest(client);
    else if (now() < end) client->began = now(), ask(client);
    else rest(client);
}

static void read_on(struct client *client) {
    char *body, *length;
    ssize_t count = read(client->descriptor, client->data + client->have,
                         sizeof client->data - 1 - client->have);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        if (client->asked || client->have) is_lost(client, "cut off");
        else refused(client, &cut_first);
        return;
    }
    client->data[client->have += count] = 0;
    body = strstr(client->data, "\r\n\r\n");
    if (!body) return;
    if (!client->wanted) {
        length = strcasestr(client->data, "\r\ncontent-length:");
        if (!length || length > body) {
            is_lost(client, "an answer without a length");
            return;
        }
        client->wanted = body + 4 - client->data + atoi(length + 17);
    }
    if (client->have >= client->wanted) answered(client, body + 4);
}

static int by_size(const void *one, const void *other) {
    float difference = *(float *)one - *(float *)other;
    return (difference > 0) - (difference < 0);
}

static void print_times(const char *name, float *times, long count) {
    qsort(times, count, sizeof *times, by_size);
    printf("\"%s\": {\"count\": %ld", name, count);
    if (count)
        printf(", \"p50\": %.0f, \"p99\": %.0f, \"max\": %.0f", times[count / 2] * 1e6,
               times[count * 99 / 100] * 1e6, times[count - 1] * 1e6);
    printf("}, ");
}

int main(int argc, char **argv) {
    struct epoll_event events[512];
    struct client *clients;
    int count, under_way = 1;
    if (argc != 6) return 2;
    port = argv[1], path = argv[2];
    count = atoi(argv[3]);
    pause_for = atof(argv[5]) / 1000;
    poller = epoll_create1(0);
    clients = calloc(count, sizeof *clients);
    answer_times = malloc(MOST * sizeof *answer_times);
    refusal_times = malloc(MOST * sizeof *refusal_times);
    end = now() + atof(argv[4]);
    for (int i = 0; i < count; i++) clients[i].descriptor = -1;
    /* What is under way at the end gets its answer. */
    while (now() < end || under_way) {
        double at = now();
        under_way = 0;
        for (int i = 0; i < count; i++) {
            struct client *client = clients + i;
            if (client->stage == PAUSING) {
                if (at < end && client->until <= at) come(client);
            } else if (client->until <= at) {
                is_lost(client, client->stage == CONNECTING ? "not connected" : "not answered");
            }
            under_way += client->stage != PAUSING;
        }
        int ready = epoll_wait(poller, events, 512, 2);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (client->stage == CONNECTING) connected(client);
            else if (client->stage == WAITING) read_on(client);
        }
    }
    printf("{");
    print_times("answered", answer_times, answers);
    print_times("refused", refusal_times, refusals);
    printf("\"said_503\": %ld, \"cut_first\": %ld, \"not_connected\": %ld, \"lost\": %ld, "
           "\"why\": \"%s\"}\n", said_503, cut_first, not_connected, lost, why);
    return 0;
}
