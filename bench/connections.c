// How many TCP connections can be opened one after the other.
//
//   connections serve PORT                         accepts and closes until it is killed
//   connections open ADDRESS PORT MILLISECONDS     prints how many were opened per second
//
// Each is closed by a reset: none stays in TIME_WAIT, so the client never runs out of ports. Both sides stay on the
// first processor: where the scheduler puts them would matter more than what is measured.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void check(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static struct sockaddr_in endpoint(const char *address, const char *port) {
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  if (inet_pton(AF_INET, address, &end.sin_addr) != 1) {
    fprintf(stderr, "%s: want an IPv4 address\n", address);
    exit(1);
  }
  return end;
}

static _Noreturn void serve(const char *port) {
  struct sockaddr_in end = endpoint("0.0.0.0", port);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  check(listener, "socket");
  check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "reuse address");
  check(bind(listener, (struct sockaddr *)&end, sizeof end), "bind");
  check(listen(listener, 1024), "listen");
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection >= 0) close(connection);
  }
}

static void open_many(const char *address, const char *port, double seconds) {
  struct sockaddr_in end = endpoint(address, port);
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  struct timeval patience = {.tv_sec = 2};
  double start = now(), last = start;
  long count = 0;
  for (; last < start + seconds; last = now(), count++) {
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connection, "socket");
    check(setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), "linger");
    check(setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), "time limit");
    check(connect(connection, (struct sockaddr *)&end, sizeof end), "connect");
    close(connection);
  }
  printf("%.1f\n", count / (last - start));
}

static void stay_on_first_processor(void) {
  cpu_set_t allowed, first;
  check(sched_getaffinity(0, sizeof allowed, &allowed), "processors");
  int number = 0;
  while (!CPU_ISSET(number, &allowed)) number++;
  CPU_ZERO(&first);
  CPU_SET(number, &first);
  check(sched_setaffinity(0, sizeof first, &first), "stay on a processor");
}

int main(int count, char **arguments) {
  stay_on_first_processor();
  if (count == 3 && !strcmp(arguments[1], "serve")) {
    serve(arguments[2]);
  } else if (count == 5 && !strcmp(arguments[1], "open")) {
    open_many(arguments[2], arguments[3], atoi(arguments[4]) / 1e3);
  } else {
    fprintf(stderr, "usage: connections serve PORT | open ADDRESS PORT MILLISECONDS\n");
    return 2;
  }
}
