// The kernel calls of one attachment to a bridge, written with libnl and nothing else: what no plugin can undercut.
//
//   floor add NETNS IFNAME HOST_VETH BRIDGE ADDRESS/LENGTH GATEWAY MTU LEASES [RULES]
//   floor del HOST_VETH LEASES/ADDRESS [RULES]
//   floor publish add|del ADDRESS HOST_PORT CONTAINER_PORT
//   floor admit add|del ADDRESS
//
// LEASES is a directory for lease files. RULES: the address is masqueraded by nf_tables; `table` if the container is the only
// one, `element` if the table exists. The others add an element to that table, as portmap and firewall do.
// No JSON, no search for a free address, no undo. IPv4 only. The bridge exists.

#define _GNU_SOURCE
#include "floor.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct link {
  int index;
  unsigned char mac[ETH_ALEN];
};

_Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "floor: %s: %s\n", what, why);
  exit(1);
}

void check(int result, const char *what) {
  if (result < 0) fail(what, strerror(errno));
}

static void check_netlink(int result, const char *what) {
  if (result < 0) fail(what, nl_geterror(result));
}

static void enter(int namespace) { check(setns(namespace, CLONE_NEWNET), "setns"); }

static struct nl_sock *open_socket(void) {
  struct nl_sock *sock = nl_socket_alloc();
  if (!sock) fail("socket", "no memory");
  check_netlink(nl_connect(sock, NETLINK_ROUTE), "connect");
  return sock;
}

static struct nl_msg *message(int type, int flags, const void *header, size_t size) {
  struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
  if (!msg || nlmsg_append(msg, (void *)header, size, NLMSG_ALIGNTO) < 0) fail("message", "no memory");
  return msg;
}

static void send_and_wait(struct nl_sock *sock, struct nl_msg *msg, const char *what) {
  check_netlink(nl_send_sync(sock, msg), what);
}

static int keep_link(struct nl_msg *msg, void *argument) {
  struct link *link = argument;
  struct nlmsghdr *header = nlmsg_hdr(msg);
  struct ifinfomsg *info = nlmsg_data(header);
  struct nlattr *mac = nlmsg_find_attr(header, sizeof *info, IFLA_ADDRESS);
  link->index = info->ifi_index;
  if (mac && nla_len(mac) == ETH_ALEN) memcpy(link->mac, nla_data(mac), ETH_ALEN);
  return NL_OK;
}

static struct link look_up(struct nl_sock *sock, const char *name) {
  struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
  struct link link = {0};
  struct nl_msg *msg = message(RTM_GETLINK, NLM_F_REQUEST, &info, sizeof info);
  nla_put_string(msg, IFLA_IFNAME, name);
  check_netlink(nl_send_auto(sock, msg), name);
  nlmsg_free(msg);
  nl_socket_disable_seq_check(sock);
  nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, keep_link, &link);
  check_netlink(nl_recvmsgs_default(sock), name);
  check_netlink(nl_wait_for_ack(sock), name);
  return link;
}

static int count_address(struct nl_msg *msg, void *argument) {
  (void)msg;
  ++*(int *)argument;
  return NL_OK;
}

static int end_of_dump(struct nl_msg *msg, void *argument) {
  (void)msg;
  *(int *)argument = 1;
  return NL_STOP;
}

// The addresses of one link: with strict checking the kernel leaves all others out.
static void look_at_addresses(struct nl_sock *sock, int index) {
  struct ifaddrmsg info = {.ifa_family = AF_INET, .ifa_index = index};
  int count = 0, done = 0, one = 1;
  setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
  struct nl_msg *msg = message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &info, sizeof info);
  check_netlink(nl_send_auto(sock, msg), "addresses");
  nlmsg_free(msg);
  nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count_address, &count);
  nl_socket_modify_cb(sock, NL_CB_FINISH, NL_CB_CUSTOM, end_of_dump, &done);
  while (!done) check_netlink(nl_recvmsgs_default(sock), "addresses");
}

static void create_veth(struct nl_sock *sock, int namespace, const char *host, const char *peer, unsigned mtu) {
  struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
  struct nl_msg *msg = message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
  nla_put_string(msg, IFLA_IFNAME, host);
  nla_put_u32(msg, IFLA_MTU, mtu);
  struct nlattr *link_info = nla_nest_start(msg, IFLA_LINKINFO);
  nla_put_string(msg, IFLA_INFO_KIND, "veth");
  struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
  struct nlattr *other = nla_nest_start(msg, VETH_INFO_PEER);
  nlmsg_append(msg, &info, sizeof info, NLMSG_ALIGNTO);
  nla_put_string(msg, IFLA_IFNAME, peer);
  nla_put_u32(msg, IFLA_MTU, mtu);
  nla_put_u32(msg, IFLA_NET_NS_FD, namespace);
  nla_nest_end(msg, other);
  nla_nest_end(msg, data);
  nla_nest_end(msg, link_info);
  send_and_wait(sock, msg, "create veth");
}

static void set_up(struct nl_sock *sock, int index, int master) {
  struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct nl_msg *msg = message(RTM_NEWLINK, NLM_F_REQUEST, &info, sizeof info);
  if (master) nla_put_u32(msg, IFLA_MASTER, master);
  send_and_wait(sock, msg, "set up");
}

static void add_address(struct nl_sock *sock, int index, struct in_addr address, int length) {
  struct ifaddrmsg info = {.ifa_family = AF_INET, .ifa_prefixlen = length, .ifa_index = index};
  struct in_addr broadcast = {.s_addr = address.s_addr | htonl(length ? ~(~0U << (32 - length)) : ~0U)};
  struct nl_msg *msg = message(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
  nla_put(msg, IFA_LOCAL, sizeof address, &address);
  nla_put(msg, IFA_ADDRESS, sizeof address, &address);
  nla_put(msg, IFA_BROADCAST, sizeof broadcast, &broadcast);
  send_and_wait(sock, msg, "add address");
}

static void add_default_route(struct nl_sock *sock, int index, struct in_addr gateway) {
  struct rtmsg info = {
      .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST};
  struct nl_msg *msg = message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
  nla_put(msg, RTA_GATEWAY, sizeof gateway, &gateway);
  nla_put_u32(msg, RTA_OIF, index);
  send_and_wait(sock, msg, "add route");
}

static void write_setting(const char *key, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/%s", key);
  int file = open(path, O_WRONLY | O_CLOEXEC);
  check(file, path);
  check(write(file, value, strlen(value)), path);
  close(file);
}

static void enable_forwarding(void) {
  char now = 0;
  int file = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
  check(file, "forwarding");
  check(read(file, &now, 1), "forwarding");
  close(file);
  if (now != '1') write_setting("ipv4/ip_forward", "1");
}

// With arp_notify set, the kernel announces the addresses of a link whose MAC address is set, also to what it was.
// A packet socket would do so too, but closing it waits for every processor (synchronize_net): milliseconds.
static void announce(struct nl_sock *sock, const struct link *link) {
  struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = link->index};
  struct nl_msg *msg = message(RTM_NEWLINK, NLM_F_REQUEST, &info, sizeof info);
  nla_put(msg, IFLA_ADDRESS, ETH_ALEN, link->mac);
  send_and_wait(sock, msg, "announce");
}

static void flush(int file, const char *what) {
  check(file, what);
  check(fsync(file), what);
  close(file);
}

// The file of a lease, as the reference writes it, flushed like ours.
static void lease(const char *directory, const char *address) {
  static const char holder[] = "floor\r\neth0";
  char path[256];
  snprintf(path, sizeof path, "%s/lock", directory);
  int lock = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  check(lock, path);
  check(flock(lock, LOCK_EX), path);
  snprintf(path, sizeof path, "%s/%s", directory, address);
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  check(file, path);
  check(write(file, holder, sizeof holder - 1), path);
  close(lock);
  flush(file, path);
  flush(open(directory, O_RDONLY | O_CLOEXEC), directory);
}

static struct in_addr parse(const char *text) {
  struct in_addr address;
  if (inet_pton(AF_INET, text, &address) != 1) fail(text, "want an IPv4 address");
  return address;
}

static in_port_t port(const char *text) {
  int number = atoi(text);
  if (number < 1 || number > 65535) fail(text, "want a port");
  return number;
}

static void masquerade(int is_addition, const char *address, const char *words) {
  int has_table = !strcmp(words, "table");
  if (!has_table && strcmp(words, "element")) fail(words, "want table or element");
  const struct rules rules = {.kind = MASQUERADE, .address = parse(address), .has_table = has_table};
  change_rules(is_addition, &rules);
}

static int is_addition(const char *word) {
  if (strcmp(word, "add") && strcmp(word, "del")) fail(word, "want add or del");
  return word[0] == 'a';
}

/* `arguments` end with NULL. */
static void add(char **arguments) {
  const char *name = arguments[1], *host = arguments[2], *bridge = arguments[3];
  char *slash = strchr(arguments[4], '/');
  if (!slash) fail(arguments[4], "want ADDRESS/LENGTH");
  *slash = 0;
  struct in_addr address = parse(arguments[4]), gateway = parse(arguments[5]);

  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  int namespace = open(arguments[0], O_RDONLY | O_CLOEXEC);
  check(home, "own namespace");
  check(namespace, arguments[0]);
  struct nl_sock *outside = open_socket();
  enter(namespace);
  struct nl_sock *inside = open_socket();
  enter(home);
  lease(arguments[7], arguments[4]);

  struct link master = look_up(outside, bridge);
  look_at_addresses(outside, master.index);
  enable_forwarding();
  create_veth(outside, namespace, host, name, atoi(arguments[6]));
  set_up(outside, look_up(outside, host).index, master.index);

  char setting[96];
  enter(namespace);
  snprintf(setting, sizeof setting, "ipv4/conf/%s/arp_notify", name);
  write_setting(setting, "1");
  // As the reference: without it the kernel's first IPv6 packets leave the link while others are measured.
  snprintf(setting, sizeof setting, "ipv6/conf/%s/accept_dad", name);
  write_setting(setting, "0");
  enter(home);

  struct link link = look_up(inside, name);
  set_up(inside, 1, 0);
  set_up(inside, link.index, 0);
  add_address(inside, link.index, address, atoi(slash + 1));
  add_default_route(inside, link.index, gateway);
  announce(inside, &link);
  look_up(outside, host);
  look_up(inside, name);
  if (arguments[8]) masquerade(1, arguments[4], arguments[8]);
}

static void del(const char *host, const char *lease, const char *rules) {
  struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
  struct nl_msg *msg = message(RTM_DELLINK, NLM_F_REQUEST, &info, sizeof info);
  nla_put_string(msg, IFLA_IFNAME, host);
  send_and_wait(open_socket(), msg, "delete link");
  const char *slash = strrchr(lease, '/');
  if (rules) masquerade(0, slash ? slash + 1 : lease, rules);
  check(unlink(lease), lease);
}

int main(int count, char **arguments) {
  const char *command = count > 1 ? arguments[1] : "";
  if ((count == 10 || count == 11) && !strcmp(command, "add")) {
    add(arguments + 2);
  } else if ((count == 4 || count == 5) && !strcmp(command, "del")) {
    del(arguments[2], arguments[3], arguments[4]);
  } else if (count == 6 && !strcmp(command, "publish")) {
    const struct rules rules = {.kind = PUBLISH, .address = parse(arguments[3]), .host_port = port(arguments[4]),
                                .container_port = port(arguments[5])};
    change_rules(is_addition(arguments[2]), &rules);
  } else if (count == 4 && !strcmp(command, "admit")) {
    const struct rules rules = {.kind = ADMIT, .address = parse(arguments[3])};
    change_rules(is_addition(arguments[2]), &rules);
  } else {
    fail("usage", "see bench/floor.c");
  }
}
