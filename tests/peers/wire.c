/*
 * A wire that is as bad as it is told to be: two TUN devices, each in a network namespace, joined
 * by this process. Addresses and DSCP pass as they are.
 *
 *   wire NAMESPACE DEVICE NAMESPACE DEVICE SETTINGS
 *
 * SETTINGS is a file of one line of numbers:
 *
 *   SERIAL SEED, then for each way (first device to second, second to first):
 *   DELAY_US JITTER_US ORDERED LOSS_PPM BURST DUPLICATE_PPM UDP_ONLY RATE_KBIT QUEUE_US
 *
 * DELAY and JITTER: a packet takes DELAY - JITTER .. DELAY + JITTER, uniformly. ORDERED: none
 * overtakes another. LOSS and DUPLICATE are shares; losses come in runs of BURST on average (1:
 * each on its own). UDP_ONLY: they befall UDP only. RATE: 0 is no limit; otherwise what would
 * wait longer than QUEUE is lost.
 *
 * The file is read at the start and whenever another is moved to its place. Then the wire prints
 * "SERIAL", and for each way since its start: packets in, packets lost, packets out.
 * The n-th packet of a way meets the same fate for the same seed. Multicast is not carried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 2048, MOST_WAITING = 20000, SECOND = 1000000000 };

struct settings {
  int64_t delay, jitter, queue; /* ns */
  int64_t ordered, loss, burst, duplicate, udp_only, rate;
};

struct way {
  struct settings set;
  int from, to;
  uint64_t chance;
  int in_run;
  int64_t line_free, last_due;
  uint64_t in, lost, out;
};

struct packet {
  int64_t due;
  uint64_t number;
  struct way *way;
  ssize_t length;
  unsigned char bytes[LARGEST];
};

static struct packet *waiting[MOST_WAITING];
static int count;
static uint64_t packets;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(struct way *way) {
  uint64_t z = (way->chance += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int64_t below(struct way *way, int64_t limit) {
  uint64_t drawn = draw(way);
  return limit > 0 ? (int64_t)(drawn % (uint64_t)limit) : 0;
}

static int before(const struct packet *a, const struct packet *b) {
  return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void swap(int a, int b) {
  struct packet *kept = waiting[a];
  waiting[a] = waiting[b];
  waiting[b] = kept;
}

static void keep(struct packet *packet) {
  int at = count++;
  waiting[at] = packet;
  for (; at > 0 && before(waiting[at], waiting[(at - 1) / 2]); at = (at - 1) / 2)
    swap(at, (at - 1) / 2);
}

static struct packet *take(void) {
  struct packet *first = waiting[0];
  waiting[0] = waiting[--count];
  for (int at = 0;;) {
    int least = at, left = 2 * at + 1;
    if (left < count && before(waiting[left], waiting[least])) least = left;
    if (left + 1 < count && before(waiting[left + 1], waiting[least])) least = left + 1;
    if (least == at) return first;
    swap(at, least);
    at = least;
  }
}

static int is_udp(const unsigned char *packet) {
  return (packet[0] >> 4 == 4 ? packet[9] : packet[6]) == 17;
}

/* Multicast: what a device says unasked. Nobody on a wire needs it, and it would be counted. */
static int is_multicast(const unsigned char *packet) {
  return packet[0] >> 4 == 4 ? packet[16] >> 4 == 0xe : packet[24] == 0xff;
}

static void enqueue(struct way *way, const unsigned char *bytes, ssize_t length, int64_t due) {
  struct packet *packet;
  if (count == MOST_WAITING || !(packet = malloc(sizeof *packet))) {
    way->lost++;
    return;
  }
  packet->due = due;
  packet->number = packets++;
  packet->way = way;
  packet->length = length;
  memcpy(packet->bytes, bytes, (size_t)length);
  keep(packet);
}

static int is_lost(struct way *way) {
  const struct settings *set = &way->set;
  int64_t drawn = below(way, 1000000);
  if (set->burst <= 1 || set->loss >= 1000000) return drawn < set->loss;
  /* Two states: a run ends with 1/BURST, and begins so that the share of losses is LOSS. */
  if (way->in_run)
    way->in_run = drawn >= 1000000 / set->burst;
  else
    way->in_run = drawn < set->loss * 1000000 / (set->burst * (1000000 - set->loss));
  return way->in_run;
}

static void arrive(struct way *way, const unsigned char *bytes, ssize_t length, int64_t at) {
  const struct settings *set = &way->set;
  int touched = !set->udp_only || is_udp(bytes);
  way->in++;
  /* All of a packet's chances are drawn, whatever becomes of it. */
  int lost = touched && is_lost(way);
  int twice = below(way, 1000000) < set->duplicate && touched;
  int64_t due = at + set->delay - set->jitter + below(way, 2 * set->jitter + 1);
  if (set->rate > 0 && !lost) {
    int64_t begin = way->line_free > at ? way->line_free : at;
    if (begin - at > set->queue) {
      lost = 1;
    } else {
      way->line_free = begin + length * 8 * 1000000 / set->rate;
      due += way->line_free - at;
    }
  }
  if (lost) {
    way->lost++;
    return;
  }
  if (set->ordered && due < way->last_due) due = way->last_due;
  way->last_due = due;
  enqueue(way, bytes, length, due);
  if (twice) enqueue(way, bytes, length, due);
}

static int64_t deliver(void) {
  while (count > 0) {
    int64_t left = waiting[0]->due - now();
    if (left > 0) return left;
    struct packet *packet = take();
    if (write(packet->way->to, packet->bytes, (size_t)packet->length) == packet->length)
      packet->way->out++;
    else
      packet->way->lost++;
    free(packet);
  }
  return -1;
}

static void read_settings(const char *path, struct way ways[2]) {
  static int seeded;
  uint64_t serial, seed;
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  int fields = fscanf(file, "%" SCNu64 " %" SCNu64, &serial, &seed);
  for (int i = 0; i < 2; i++) {
    struct settings *set = &ways[i].set;
    fields += fscanf(file,
                     "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                     " %" SCNd64 " %" SCNd64 " %" SCNd64,
                     &set->delay, &set->jitter, &set->ordered, &set->loss, &set->burst,
                     &set->duplicate, &set->udp_only, &set->rate, &set->queue);
    set->delay *= 1000;
    set->jitter *= 1000;
    set->queue *= 1000;
    if (!seeded) ways[i].chance = seed * 2 + (uint64_t)i;
  }
  fclose(file);
  if (fields != 20) {
    fprintf(stderr, "%s does not hold 20 numbers\n", path);
    exit(1);
  }
  seeded = 1;
  printf("%" PRIu64, serial);
  for (int i = 0; i < 2; i++)
    printf(" %" PRIu64 " %" PRIu64 " %" PRIu64, ways[i].in, ways[i].lost, ways[i].out);
  printf("\n");
}

static int tun(const char *space, const char *device) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", space);
  int at = open(path, O_RDONLY | O_CLOEXEC);
  if (at < 0 || setns(at, CLONE_NEWNET) < 0) die(path);
  close(at);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  struct ifreq ask = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(ask.ifr_name, device, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &ask) < 0) die(device);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "wire NAMESPACE DEVICE NAMESPACE DEVICE SETTINGS\n");
    return 64;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  prctl(PR_SET_TIMERSLACK, 1);
  int news = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  char *folder = dirname(strdup(argv[5]));
  if (news < 0 || inotify_add_watch(news, folder, IN_MOVED_TO) < 0) die(folder);
  struct way ways[2] = {{.from = tun(argv[1], argv[2])}, {.from = tun(argv[3], argv[4])}};
  ways[0].to = ways[1].from;
  ways[1].to = ways[0].from;
  read_settings(argv[5], ways);
  struct pollfd wait[3] = {
      {.fd = ways[0].from, .events = POLLIN},
      {.fd = ways[1].from, .events = POLLIN},
      {.fd = news, .events = POLLIN},
  };
  for (;;) {
    int64_t left = deliver();
    struct timespec limit = {.tv_sec = left / SECOND, .tv_nsec = left % SECOND};
    if (ppoll(wait, 3, left < 0 ? NULL : &limit, NULL) < 0 && errno != EINTR) die("ppoll");
    int64_t at = now();
    for (int i = 0; i < 2; i++) {
      unsigned char bytes[LARGEST];
      ssize_t length;
      while (wait[i].revents && (length = read(ways[i].from, bytes, sizeof bytes)) > 0)
        if (length >= 28 && !is_multicast(bytes)) arrive(&ways[i], bytes, length, at);
    }
    char event[4096];
    if (wait[2].revents && read(news, event, sizeof event) > 0) read_settings(argv[5], ways);
  }
}
