#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>

/* What one plugin of a chain adds for a container: an element. */
enum kind { MASQUERADE, PUBLISH, ADMIT };

struct rules {
  enum kind kind;
  struct in_addr address;
  in_port_t host_port, container_port;
  /* Whether the container is the only one: its first plugin makes the table, its last one deletes it. */
  int has_table;
};

_Noreturn void fail(const char *what, const char *why);
/* Fails with errno if the result is negative. */
void check(int result, const char *what);
void change_rules(int is_addition, const struct rules *rules);
