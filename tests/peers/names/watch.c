/*
 * Asks a server the same question over UDP again and again, and prints each answer with its time.
 *
 *   watch ADDRESS PORT QUERY
 *
 * QUERY is a DNS message in hexadecimal digits; its id is set anew each time. The next query
 * leaves 20 ms after the last one, or when that is answered, or given up after 2 s. A line:
 *
 *   ASKED HEARD ANSWER: both times in ns since 1970, then the message in hexadecimal digits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LARGEST = 4096, DISTANCE_MS = 20, GIVE_UP_MS = 2000 };

static const int64_t MILLISECOND = 1000000;

static void fail(const char *what) {
  fprintf(stderr, "watch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000 * MILLISECOND + time.tv_nsec;
}

/* Waits for something to read, at most until a moment of the monotonic clock. */
static int readable(int fd, int64_t until) {
  int64_t left = until - now(CLOCK_MONOTONIC);
  struct pollfd one = {.fd = fd, .events = POLLIN};
  return poll(&one, 1, left > 0 ? (int)((left + MILLISECOND - 1) / MILLISECOND) : 0) > 0;
}

static int connected(const char *address, const char *port) {
  struct addrinfo *found, hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
  if (getaddrinfo(address, port, &hints, &found)) fail("address");
  int fd = socket(found->ai_family, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen)) fail("connect");
  freeaddrinfo(found);
  return fd;
}

int main(int count, char **words) {
  static unsigned char query[LARGEST], answer[LARGEST];
  if (count != 4) return 64;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = connected(words[1], words[2]);
  size_t length = strlen(words[3]) / 2;
  if (length < 12 || length > LARGEST) return 64;
  for (size_t at = 0; at < length; at++)
    if (sscanf(words[3] + 2 * at, "%2hhx", &query[at]) != 1) return 64;

  for (unsigned id = 1;; id++) {
    query[0] = (unsigned char)(id >> 8);
    query[1] = (unsigned char)id;
    int64_t asked = now(CLOCK_REALTIME), began = now(CLOCK_MONOTONIC);
    if (send(fd, query, length, 0) < 0 && errno != ECONNREFUSED) fail("send");
    while (readable(fd, began + GIVE_UP_MS * MILLISECOND)) {
      ssize_t size = recv(fd, answer, sizeof answer, 0);
      if (size < 12 || memcmp(answer, query, 2)) continue;
      printf("%" PRId64 " %" PRId64 " ", asked, now(CLOCK_REALTIME));
      for (ssize_t at = 0; at < size; at++) printf("%02x", answer[at]);
      puts("");
      break;
    }
    while (now(CLOCK_MONOTONIC) < began + DISTANCE_MS * MILLISECOND)
      poll(NULL, 0, (int)((began + DISTANCE_MS * MILLISECOND - now(CLOCK_MONOTONIC)) / MILLISECOND) + 1);
  }
}
