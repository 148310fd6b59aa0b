/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hog: the program that the benchmarks checkpoint. It has --size bytes of memory with --data in it, changes some of
 * it when asked, and knows how long it was not running: a thread notes the time again and again, and keeps the
 * longest gap.
 *
 * It is asked by a file DIR/ask, one line, and answers by a file DIR/answer. Neither stays open, so that nothing of
 * this is part of a dump. See usage below.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096
#define WORDS (PAGE / sizeof(uint64_t))

static const char usage[] =
    "usage: hog --dir DIR [--size SIZE] [--data random|float|zero] [--seed N] [--tick USEC] [-- COMMAND...]\n\n"
    "Fill SIZE bytes (default: 1m), run COMMAND beside it, and do what DIR/ask says. A line there is \"SEQ VERB [N]\";\n"
    "the answer is \"SEQ ok NAME=VALUE...\". Verbs:\n"
    "  hello     pid and bytes\n"
    "  gap       the longest time without running since it was last asked: gap by the monotonic clock; real, from\n"
    "            and to by the time of day, in seconds\n"
    "  change N  write new content into N percent of the pages: pages, seconds\n"
    "  sum       read everything: sum, seconds\n"
    "  work N    N rounds of arithmetic on the memory: seconds\n"
    "  end       exit\n";

enum kind { RANDOM, FLOAT, ZERO };

static struct {
    const char *dir;
    size_t pages;
    enum kind kind;
    uint64_t seed, round;
    long tick_us;
    uint64_t *memory;
    pid_t child;
} hog = {.pages = 256, .tick_us = 200, .seed = 1};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* --- how long it was not running ---------------------------------------------------------------------------------- */

struct gap {
    double monotonic, from, to; /* the longest by each clock: after a restart the monotonic one may go on seamlessly */
};

static struct gap longest;
static unsigned ticks;
static pthread_mutex_t gap_lock = PTHREAD_MUTEX_INITIALIZER;

static void *tick(void *arg)
{
    double monotonic = seconds(CLOCK_MONOTONIC), real = seconds(CLOCK_REALTIME);
    (void)arg;
    for (;;) {
        pause_us(hog.tick_us);
        double monotonic_now = seconds(CLOCK_MONOTONIC), real_now = seconds(CLOCK_REALTIME);
        pthread_mutex_lock(&gap_lock);
        ticks++;
        if (monotonic_now - monotonic > longest.monotonic)
            longest.monotonic = monotonic_now - monotonic;
        if (real_now - real > longest.to - longest.from) {
            longest.from = real;
            longest.to = real_now;
        }
        pthread_mutex_unlock(&gap_lock);
        monotonic = monotonic_now;
        real = real_now;
    }
    return NULL;
}

/* After a restart this thread may run before that one has seen the gap. */
static void wait_tick(void)
{
    pthread_mutex_lock(&gap_lock);
    for (unsigned before = ticks; ticks == before;) {
        pthread_mutex_unlock(&gap_lock);
        pause_us(hog.tick_us);
        pthread_mutex_lock(&gap_lock);
    }
    pthread_mutex_unlock(&gap_lock);
}

static struct gap take_gap(void)
{
    wait_tick();
    pthread_mutex_lock(&gap_lock);
    struct gap g = longest;
    longest = (struct gap){0};
    pthread_mutex_unlock(&gap_lock);
    return g;
}

/* --- what is in memory -------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state);
}

static void fill_random(uint64_t *page, uint64_t state)
{
    for (size_t i = 0; i < WORDS; i++)
        page[i] = next(&state);
}

/* A smooth field of doubles, known to 22 bits and with 8 bits of noise at the end of the fraction. */
static void fill_float(uint64_t *page, size_t number, uint64_t state)
{
    const double step = 1e-4;
    double phase = (double)number * (double)WORDS * step + (double)(state % 1000) * 1e-3;
    double s = sin(phase), c = cos(phase), ds = sin(step), dc = cos(step);
    for (size_t i = 0; i < WORDS; i++) {
        double value = 2 + s, turned = s * dc + c * ds;
        uint64_t bits;
        memcpy(&bits, &value, sizeof(bits));
        page[i] = (bits & ~((1ull << 30) - 1)) | (next(&state) & 0xff);
        c = c * dc - s * ds;
        s = turned;
    }
}

static void fill_page(size_t number)
{
    uint64_t *page = hog.memory + number * WORDS;
    uint64_t state = mix(hog.seed + mix(hog.round) + number * 0x9e3779b97f4a7c15u);
    switch (hog.kind) {
    case RANDOM:
        fill_random(page, state);
        break;
    case FLOAT:
        fill_float(page, number, state);
        break;
    case ZERO: /* one page of twenty is random; a page that was changed is not wholly zero */
        memset(page, 0, PAGE);
        if (state % 20 == 0)
            fill_random(page, state);
        else
            page[state / 20 % WORDS] = hog.round;
        break;
    }
}

/* Exactly so many percent of the pages, any choice of them as likely as another. Returns how many. */
static size_t change(unsigned percent)
{
    size_t wanted = hog.pages * percent / 100, chosen = 0;
    uint64_t state = mix(hog.seed ^ ++hog.round << 32);
    for (size_t i = 0; i < hog.pages && chosen < wanted; i++) {
        if (next(&state) % (hog.pages - i) < wanted - chosen) {
            fill_page(i);
            chosen++;
        }
    }
    return chosen;
}

static uint64_t sum_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < hog.pages * WORDS; i++)
        sum = (sum << 1 | sum >> 63) + hog.memory[i];
    return sum;
}

/* Arithmetic and memory in turn. The content of memory does not change: what is added is taken away again. */
static void work(unsigned rounds)
{
    volatile double sink = 0;
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t delta = mix(r + 1);
        for (int sign = 0; sign < 2; sign++, delta = -delta)
            for (size_t i = 0; i < hog.pages * WORDS; i++)
                hog.memory[i] += delta;
        double x = 0.5;
        for (int i = 0; i < 10000000; i++)
            x = x * 0.999999 + 1e-6 * x * x;
        sink += x;
    }
}

/* --- asked and answered ------------------------------------------------------------------------------------------- */

/* Reads and removes DIR/ask. Returns 0 if there is none. */
static int read_ask(char *line, size_t size)
{
    int fd = open("ask", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, line, size - 1);
    close(fd);
    unlink("ask");
    if (n <= 0)
        return 0;
    line[n] = '\0';
    return 1;
}

static void answer(unsigned seq, const char *text)
{
    FILE *f = fopen("answer.tmp", "we");
    if (!f)
        die("answer.tmp");
    fprintf(f, "%u %s\n", seq, text);
    if (fclose(f) != 0 || rename("answer.tmp", "answer") < 0)
        die("answer");
}

static void obey(const char *line)
{
    char verb[16] = "", text[256] = "error=no-such-verb";
    unsigned seq = 0, number = 0;
    double begin = seconds(CLOCK_MONOTONIC);
    sscanf(line, "%u %15s %u", &seq, verb, &number);
    if (strcmp(verb, "hello") == 0) {
        snprintf(text, sizeof(text), "ok pid=%d bytes=%zu", (int)getpid(), hog.pages * PAGE);
    } else if (strcmp(verb, "gap") == 0) {
        struct gap g = take_gap();
        snprintf(text, sizeof(text), "ok gap=%.6f real=%.6f from=%.6f to=%.6f", g.monotonic, g.to - g.from, g.from,
                 g.to);
    } else if (strcmp(verb, "change") == 0) {
        size_t pages = change(number);
        snprintf(text, sizeof(text), "ok pages=%zu seconds=%.6f", pages, seconds(CLOCK_MONOTONIC) - begin);
    } else if (strcmp(verb, "sum") == 0) {
        uint64_t sum = sum_all();
        snprintf(text, sizeof(text), "ok sum=%016llx seconds=%.6f", (unsigned long long)sum,
                 seconds(CLOCK_MONOTONIC) - begin);
    } else if (strcmp(verb, "work") == 0) {
        work(number);
        snprintf(text, sizeof(text), "ok seconds=%.6f", seconds(CLOCK_MONOTONIC) - begin);
    } else if (strcmp(verb, "end") == 0) {
        snprintf(text, sizeof(text), "ok");
    }
    answer(seq, text);
    if (strcmp(verb, "end") == 0) {
        if (hog.child > 0)
            kill(hog.child, SIGKILL);
        exit(0);
    }
}

/* --- the start ---------------------------------------------------------------------------------------------------- */

static size_t parse_size(const char *text)
{
    char *end;
    size_t n = strtoul(text, &end, 10);
    if (*end == 'k')
        n <<= 10;
    else if (*end == 'm')
        n <<= 20;
    else if (*end == 'g')
        n <<= 30;
    if (n == 0 || (*end && end[1])) {
        fprintf(stderr, "hog: no size: %s\n", text);
        exit(2);
    }
    return n;
}

static enum kind parse_kind(const char *text)
{
    static const char *const names[] = {"random", "float", "zero"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    fprintf(stderr, "hog: no kind of data: %s\n", text);
    exit(2);
}

static char **parse(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"size", required_argument, NULL, 's'},
                                            {"data", required_argument, NULL, 'k'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {"tick", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            hog.dir = optarg;
            break;
        case 's':
            hog.pages = (parse_size(optarg) + PAGE - 1) / PAGE;
            break;
        case 'k':
            hog.kind = parse_kind(optarg);
            break;
        case 'r':
            hog.seed = strtoul(optarg, NULL, 10);
            break;
        case 't':
            hog.tick_us = strtol(optarg, NULL, 10);
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            exit(2);
        }
    }
    if (!hog.dir || hog.tick_us <= 0 || hog.tick_us >= 1000000) {
        fputs(usage, stderr);
        exit(2);
    }
    return argv + optind;
}

static void start_child(char **command)
{
    if (!*command)
        return;
    signal(SIGCHLD, SIG_IGN);
    hog.child = fork();
    if (hog.child < 0)
        die("fork");
    if (hog.child == 0) {
        signal(SIGCHLD, SIG_DFL);
        execvp(*command, command);
        perror(*command);
        _exit(127);
    }
}

int main(int argc, char **argv)
{
    char **command = parse(argc, argv), line[64];
    pthread_t ticker;
    if (chdir(hog.dir) < 0)
        die(hog.dir);
    hog.memory = mmap(NULL, hog.pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (hog.memory == MAP_FAILED)
        die("mmap");
    for (size_t i = 0; i < hog.pages; i++)
        fill_page(i);
    start_child(command);
    if ((errno = pthread_create(&ticker, NULL, tick, NULL)) != 0)
        die("pthread_create");
    for (;;) {
        if (read_ask(line, sizeof(line)))
            obey(line);
        else
            pause_us(1000);
    }
}
