/* A small OpenAI chat server that writes down when every byte came and went.
 *
 * Shares no code with the product or its simulator. One thread, epoll and a timer; each request is
 * answered on its own schedule, counted from the kernel's stamp of its arrival. The ledger holds
 * that stamp and the instants before and after every write (CLOCK_MONOTONIC, ns), as JSON lines; it
 * is written when standard input is closed. Prints "LISTENING <port>" once it accepts connections.
 *
 * Options, each followed by a value:
 *   --ttft US         from arrival to the first token (20000)
 *   --spread US       the n-th request's first token comes up to so much later, evenly spread (0)
 *   --itl US          between the writes of tokens (2000)
 *   --tokens N        tokens of an answer (64)
 *   --per-event N     tokens in one event (1)
 *   --per-write N     events in one write (1)
 *   --role WHEN       the role chunk: none, early (at arrival) or first (with the first token)
 *   --cpu N           run on this processor only
 *   --ledger FILE     where to write the ledger
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 4096, REQUEST = 65536, ANSWER = 65536, TAG_LISTEN = -1, TAG_TIMER = -2,
       TAG_INPUT = -3 };

typedef struct { int64_t before, after; int tokens; } Write;

typedef struct {
    int number, connection, writes, lost;
    int64_t received, read, due;
    Write role, closing, *tokens;
} Answer;

typedef struct {
    int fd, size, active, next;
    int64_t due;
    Answer *answer;
    char request[REQUEST];
} Connection;

static struct {
    int64_t ttft, spread, itl;
    int tokens, per_event, per_write, cpu;
    const char *role, *ledger;
} options = {20000, 0, 2000, 64, 1, 1, -1, "none", NULL};

static Connection *connections[CONNECTIONS];
static int heap[CONNECTIONS], waiting;
static Answer **answers;
static int answered, room;
static int poller, timer, listener;
static int64_t real_to_monotonic;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* The tightest of a hundred brackets: kernel stamps are of the real-time clock. */
static void map_clocks(void) {
    int64_t best = INT64_MAX;
    for (int i = 0; i < 100; i++) {
        int64_t before = now_ns(), real = clock_ns(CLOCK_REALTIME), after = now_ns();
        if (after - before < best) {
            best = after - before;
            real_to_monotonic = (before + after) / 2 - real;
        }
    }
}

/* ---- the heap of connections that owe a write, the soonest first ---- */

static int64_t due_at(int place) { return connections[heap[place]]->due; }

static void swap(int a, int b) {
    int held = heap[a];
    heap[a] = heap[b];
    heap[b] = held;
}

static void push(int fd) {
    int at = waiting++;
    heap[at] = fd;
    for (; at && due_at(at) < due_at((at - 1) / 2); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

static int pop(void) {
    int first = heap[0], at = 0;
    heap[0] = heap[--waiting];
    for (;;) {
        int child = 2 * at + 1;
        if (child + 1 < waiting && due_at(child + 1) < due_at(child)) child++;
        if (child >= waiting || due_at(at) <= due_at(child)) return first;
        swap(at, child);
        at = child;
    }
}

static void set_timer(void) {
    struct itimerspec at = {0};
    if (waiting) {
        int64_t due = due_at(0) > 0 ? due_at(0) : 1;
        at.it_value.tv_sec = due / 1000000000;
        at.it_value.tv_nsec = due % 1000000000;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- what is written ---- */

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static int append(char *out, int size, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int more = vsnprintf(out + size, ANSWER - size, format, values);
    va_end(values);
    if (size + more >= ANSWER) { fprintf(stderr, "an answer is too long\n"); exit(1); }
    return size + more;
}

/* One SSE event in an HTTP chunk of its own. */
static int append_event(char *out, int size, int number, const char *choices, const char *rest) {
    char event[8192];
    int length = snprintf(event, sizeof event,
        "data: {\"id\":\"led-%d\",\"object\":\"chat.completion.chunk\",\"created\":1,"
        "\"model\":\"ledgered\",\"choices\":[%s]%s}\n\n", number, choices, rest);
    if (length >= (int)sizeof event) { fprintf(stderr, "an event is too long\n"); exit(1); }
    return append(out, size, "%x\r\n%s\r\n", length, event);
}

static int append_tokens(char *out, int size, int number, int count) {
    char choices[8000] = "{\"index\":0,\"delta\":{\"content\":\"";
    for (int i = 0; i < count; i++) strcat(choices, "word ");
    strcat(choices, "\"},\"finish_reason\":null}");
    return append_event(out, size, number, choices, "");
}

static void put(Connection *connection, const char *data, int size, Write *stamps) {
    stamps->before = now_ns();
    ssize_t written = send(connection->fd, data, size, MSG_NOSIGNAL);
    stamps->after = now_ns();
    if (written != size) connection->answer->lost = 1;
}

static void put_role(Connection *connection) {
    char out[ANSWER];
    int size = append(out, 0, "%s", HEAD);
    size = append_event(out, size, connection->answer->number,
        "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
        "\"finish_reason\":null}", "");
    put(connection, out, size, &connection->answer->role);
}

static void put_closing(Connection *connection) {
    char out[ANSWER], usage[200];
    snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":%d,"
             "\"total_tokens\":%d}", options.tokens, options.tokens + 10);
    int number = connection->answer->number;
    int size = append_event(out, 0, number,
                            "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
    size = append_event(out, size, number, "", usage);
    size = append(out, size, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    put(connection, out, size, &connection->answer->closing);
}

/* The next write of tokens; after the last one, the end of the answer. */
static void put_next(Connection *connection) {
    char out[ANSWER];
    Answer *answer = connection->answer;
    int size = 0, tokens = 0;
    if (answer->writes == 0 && strcmp(options.role, "first") == 0) put_role(connection);
    if (answer->writes == 0 && strcmp(options.role, "none") == 0) size = append(out, 0, "%s", HEAD);
    for (int i = 0; i < options.per_write && connection->next < options.tokens; i++) {
        int left = options.tokens - connection->next;
        int count = left < options.per_event ? left : options.per_event;
        size = append_tokens(out, size, answer->number, count);
        connection->next += count;
        tokens += count;
    }
    Write *write = &answer->tokens[answer->writes++];
    write->tokens = tokens;
    put(connection, out, size, write);
    if (connection->next < options.tokens) {
        connection->due += options.itl * 1000;
        push(connection->fd);
    } else {
        put_closing(connection);
        connection->active = 0;
    }
}

/* ---- what is read ---- */

static void begin_answer(Connection *connection, int64_t received, int64_t read_at) {
    Answer *answer = calloc(1, sizeof *answer);
    if (answered == room) {
        room = room ? 2 * room : 1024;
        answers = realloc(answers, room * sizeof *answers);
    }
    if (!answer || !answers) fail("memory");
    answer->number = answered;
    answer->connection = connection->fd;
    answer->received = received;
    answer->read = read_at;
    /* Multiples of the golden section spread evenly, whatever the number of requests. */
    double share = answered * 0.6180339887498949;
    share -= (int64_t)share;
    answer->due = received + options.ttft * 1000 + (int64_t)(share * options.spread * 1000);
    answer->tokens = calloc(options.tokens, sizeof *answer->tokens);
    if (!answer->tokens) fail("memory");
    answers[answered++] = answer;
    connection->answer = answer;
    connection->due = answer->due;
    connection->next = 0;
    connection->active = 1;
    if (strcmp(options.role, "early") == 0) put_role(connection);
    push(connection->fd);
}

/* How long the request in the buffer is, head and body; 0 while it is not whole. */
static int request_length(const Connection *connection) {
    const char *end = memmem(connection->request, connection->size, "\r\n\r\n", 4);
    if (!end) return 0;
    int head = (int)(end - connection->request) + 4;
    const char *field = strcasestr(connection->request, "\r\ncontent-length:");
    int body = field && field < end ? atoi(field + 17) : 0;
    return head + body <= connection->size ? head + body : 0;
}

static void forget(Connection *connection) {
    int fd = connection->fd;
    if (connection->active) {
        connection->answer->lost = 1;
        int kept = 0, places[CONNECTIONS];
        while (waiting) { int other = pop(); if (other != fd) places[kept++] = other; }
        for (int i = 0; i < kept; i++) push(places[i]);
    }
    connections[fd] = NULL;
    close(fd);
    free(connection);
}

/* The kernel's stamp of the read's last segment, as monotonic ns; else the user's. */
static int64_t arrival(struct msghdr *message, int64_t user) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct timespec stamp;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPING) continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        int64_t at = stamp.tv_sec * 1000000000LL + stamp.tv_nsec + real_to_monotonic;
        if (stamp.tv_sec && at <= user && at > user - 1000000000LL) return at;
    }
    return user;
}

static void on_readable(Connection *connection) {
    char control[256];
    struct iovec into = {connection->request + connection->size,
                         REQUEST - 1 - connection->size};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(connection->fd, &message, 0);
    int64_t user = now_ns();
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) { forget(connection); return; }
    connection->size += got;
    connection->request[connection->size] = 0;
    int length = request_length(connection);
    if (length && !connection->active) {
        connection->size -= length;
        memmove(connection->request, connection->request + length, connection->size + 1);
        begin_answer(connection, arrival(&message, user), user);
    }
}

static void on_connection(void) {
    int one = 1, stamps = 0x18, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= CONNECTIONS) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
    connections[fd] = calloc(1, sizeof(Connection));
    if (!connections[fd]) fail("memory");
    connections[fd]->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* ---- the process ---- */

static void write_ledger(void) {
    FILE *file = options.ledger ? fopen(options.ledger, "w") : NULL;
    if (!file) return;
    for (int i = 0; i < answered; i++) {
        Answer *a = answers[i];
        fprintf(file, "{\"id\":\"led-%d\",\"connection\":%d,\"received\":%ld,\"read\":%ld,"
                "\"due\":%ld,\"lost\":%s,\"role\":[%ld,%ld],\"closing\":[%ld,%ld],\"writes\":[",
                a->number, a->connection, a->received, a->read, a->due,
                a->lost || !a->closing.after ? "true" : "false",
                a->role.before, a->role.after, a->closing.before, a->closing.after);
        for (int j = 0; j < a->writes; j++)
            fprintf(file, "%s[%ld,%ld,%d]", j ? "," : "", a->tokens[j].before,
                    a->tokens[j].after, a->tokens[j].tokens);
        fprintf(file, "]}\n");
    }
    fclose(file);
}

static void read_options(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        if (!strcmp(name, "--ttft")) options.ttft = atoll(value);
        else if (!strcmp(name, "--spread")) options.spread = atoll(value);
        else if (!strcmp(name, "--itl")) options.itl = atoll(value);
        else if (!strcmp(name, "--tokens")) options.tokens = atoi(value);
        else if (!strcmp(name, "--per-event")) options.per_event = atoi(value);
        else if (!strcmp(name, "--per-write")) options.per_write = atoi(value);
        else if (!strcmp(name, "--role")) options.role = value;
        else if (!strcmp(name, "--cpu")) options.cpu = atoi(value);
        else if (!strcmp(name, "--ledger")) options.ledger = value;
        else { fprintf(stderr, "unknown option %s\n", name); exit(2); }
    }
}

/* On one processor and, where that is allowed, before all ordinary processes. */
static void take_processor(void) {
    struct sched_param priority = {.sched_priority = 1};
    cpu_set_t set;
    if (options.cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET(options.cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
    }
    sched_setscheduler(0, SCHED_FIFO, &priority);
}

static void watch(int fd, int tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = tag};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void start(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (poller < 0 || timer < 0 || listener < 0) fail("start");
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    watch(listener, TAG_LISTEN);
    watch(timer, TAG_TIMER);
    watch(0, TAG_INPUT);
    printf("LISTENING %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int count, char **words) {
    read_options(count, words);
    take_processor();
    map_clocks();
    start();
    for (int64_t mapped = now_ns();;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, -1);
        if (now_ns() - mapped > 250000000) { map_clocks(); mapped = now_ns(); }
        for (int i = 0; i < ready; i++) {
            int tag = events[i].data.fd;
            uint64_t expirations;
            if (tag == TAG_INPUT) { write_ledger(); return 0; }
            if (tag == TAG_LISTEN) on_connection();
            else if (tag == TAG_TIMER) { if (read(timer, &expirations, 8) < 0) continue; }
            else if (connections[tag]) on_readable(connections[tag]);
        }
        while (waiting && due_at(0) <= now_ns()) put_next(connections[pop()]);
        set_timer();
    }
}
