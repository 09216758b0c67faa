// The batches to nf_tables of one container with a masqueraded address, a published port and an admitted address.

#define _GNU_SOURCE
#include "floor.h"
#include "CLinux.h"
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TABLE "floor"

/* nft's numbers for the types of keys; six bits for each part of a concatenation. */
enum { ADDRESS_TYPE = 7, PORT_OF_PROTOCOL_TYPE = 12 << 6 | 13, ADDRESS_AND_PORT_TYPE = 7 << 6 | 13 };
enum { PORT_REGISTER = NFT_REG32_01, SOURCE_OFFSET = 12, DESTINATION_OFFSET = 16, PORT_OFFSET = 2 };

static _Alignas(struct nlmsghdr) unsigned char batch[16384];
static size_t batch_size;
static uint32_t sequence;
static struct nlmsghdr *last;

static struct nl_msg *begin(int type, int flags, int family, int resource) {
  struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
  struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
  if (!msg || nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO) < 0) fail("message", "no memory");
  return msg;
}

static struct nl_msg *change(int kind, int flags) {
  struct nl_msg *msg = begin(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, NFPROTO_INET, 0);
  nla_put_string(msg, NFTA_TABLE_NAME, TABLE);  // The first attribute of each kind of message is the table.
  return msg;
}

static void end(struct nl_msg *msg) {
  struct nlmsghdr *header = nlmsg_hdr(msg);
  header->nlmsg_seq = ++sequence;
  if (batch_size + NLMSG_ALIGN(header->nlmsg_len) > sizeof batch) fail("batch", "too long");
  last = memcpy(batch + batch_size, header, header->nlmsg_len);
  batch_size += NLMSG_ALIGN(header->nlmsg_len);
  nlmsg_free(msg);
}

static void put_number(struct nl_msg *msg, int type, uint32_t number) { nla_put_u32(msg, type, htonl(number)); }

static void put_data(struct nl_msg *msg, int type, const void *value, size_t size) {
  struct nlattr *data = nla_nest_start(msg, type);
  nla_put(msg, NFTA_DATA_VALUE, size, value);
  nla_nest_end(msg, data);
}

static void add_set(const char *name, uint32_t number, uint32_t key, uint32_t size, uint32_t value) {
  struct nl_msg *msg = change(NFT_MSG_NEWSET, NLM_F_CREATE);
  nla_put_string(msg, NFTA_SET_NAME, name);
  put_number(msg, NFTA_SET_FLAGS, value ? NFT_SET_MAP : 0);
  put_number(msg, NFTA_SET_KEY_TYPE, key);
  put_number(msg, NFTA_SET_KEY_LEN, size);
  if (value) {
    put_number(msg, NFTA_SET_DATA_TYPE, value);
    put_number(msg, NFTA_SET_DATA_LEN, size);
  }
  put_number(msg, NFTA_SET_ID, number);
  end(msg);
}

static void add_chain(const char *name, const char *type, uint32_t point, int priority) {
  struct nl_msg *msg = change(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  nla_put_string(msg, NFTA_CHAIN_NAME, name);
  nla_put_string(msg, NFTA_CHAIN_TYPE, type);
  struct nlattr *hook = nla_nest_start(msg, NFTA_CHAIN_HOOK);
  put_number(msg, NFTA_HOOK_HOOKNUM, point);
  put_number(msg, NFTA_HOOK_PRIORITY, priority);
  nla_nest_end(msg, hook);
  end(msg);
}

/* The attributes of one expression. */
struct expression {
  struct nl_msg *msg;
  struct nlattr *element, *data;
};

static struct expression begin_expression(struct nl_msg *msg, const char *name) {
  struct expression one = {.msg = msg, .element = nla_nest_start(msg, NFTA_LIST_ELEM)};
  nla_put_string(msg, NFTA_EXPR_NAME, name);
  one.data = nla_nest_start(msg, NFTA_EXPR_DATA);
  return one;
}

static void end_expression(struct expression one) {
  nla_nest_end(one.msg, one.data);
  nla_nest_end(one.msg, one.element);
}

static void load_meta(struct nl_msg *msg, uint32_t key) {
  struct expression meta = begin_expression(msg, "meta");
  put_number(msg, NFTA_META_KEY, key);
  put_number(msg, NFTA_META_DREG, NFT_REG_1);
  end_expression(meta);
}

static void load_field(struct nl_msg *msg, uint32_t header, uint32_t offset, uint32_t size, uint32_t target) {
  struct expression payload = begin_expression(msg, "payload");
  put_number(msg, NFTA_PAYLOAD_DREG, target);
  put_number(msg, NFTA_PAYLOAD_BASE, header);
  put_number(msg, NFTA_PAYLOAD_OFFSET, offset);
  put_number(msg, NFTA_PAYLOAD_LEN, size);
  end_expression(payload);
}

static void look_up(struct nl_msg *msg, const char *set, int is_map) {
  struct expression lookup = begin_expression(msg, "lookup");
  nla_put_string(msg, NFTA_LOOKUP_SET, set);
  put_number(msg, NFTA_LOOKUP_SREG, NFT_REG_1);
  if (is_map) put_number(msg, NFTA_LOOKUP_DREG, NFT_REG_1);
  end_expression(lookup);
}

/* A rule for IPv4 packets; its list of expressions is open. */
static struct nl_msg *begin_rule(const char *chain, struct nlattr **list) {
  const unsigned char family = NFPROTO_IPV4;
  struct nl_msg *msg = change(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  nla_put_string(msg, NFTA_RULE_CHAIN, chain);
  *list = nla_nest_start(msg, NFTA_RULE_EXPRESSIONS);
  load_meta(msg, NFT_META_NFPROTO);
  struct expression compare = begin_expression(msg, "cmp");
  put_number(msg, NFTA_CMP_SREG, NFT_REG_1);
  put_number(msg, NFTA_CMP_OP, NFT_CMP_EQ);
  put_data(msg, NFTA_CMP_DATA, &family, sizeof family);
  end_expression(compare);
  return msg;
}

static void end_rule(struct nl_msg *msg, struct nlattr *list) {
  nla_nest_end(msg, list);
  end(msg);
}

static void add_publishing_rule(void) {
  struct nlattr *list;
  struct nl_msg *msg = begin_rule("prerouting", &list);
  load_meta(msg, NFT_META_L4PROTO);
  load_field(msg, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, 2, PORT_REGISTER);
  look_up(msg, "ports", 1);
  struct expression nat = begin_expression(msg, "nat");
  put_number(msg, NFTA_NAT_TYPE, NFT_NAT_DNAT);
  put_number(msg, NFTA_NAT_FAMILY, NFPROTO_IPV4);
  put_number(msg, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
  put_number(msg, NFTA_NAT_REG_PROTO_MIN, PORT_REGISTER);
  end_expression(nat);
  end_rule(msg, list);
}

static void add_masquerading_rule(void) {
  struct nlattr *list;
  struct nl_msg *msg = begin_rule("postrouting", &list);
  load_field(msg, NFT_PAYLOAD_NETWORK_HEADER, SOURCE_OFFSET, 4, NFT_REG_1);
  look_up(msg, "masqueraded", 0);
  end_expression(begin_expression(msg, "masq"));
  end_rule(msg, list);
}

static void add_admitting_rule(uint32_t offset) {
  struct nlattr *list;
  struct nl_msg *msg = begin_rule("forward", &list);
  load_field(msg, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, NFT_REG_1);
  look_up(msg, "admitted", 0);
  struct expression immediate = begin_expression(msg, "immediate");
  put_number(msg, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  struct nlattr *data = nla_nest_start(msg, NFTA_IMMEDIATE_DATA), *verdict = nla_nest_start(msg, NFTA_DATA_VERDICT);
  put_number(msg, NFTA_VERDICT_CODE, NF_ACCEPT);
  nla_nest_end(msg, verdict);
  nla_nest_end(msg, data);
  end_expression(immediate);
  end_rule(msg, list);
}

static void add_table(void) {
  end(change(NFT_MSG_NEWTABLE, NLM_F_CREATE));
  add_set("masqueraded", 1, ADDRESS_TYPE, 4, 0);
  add_set("ports", 2, PORT_OF_PROTOCOL_TYPE, 8, ADDRESS_AND_PORT_TYPE);
  add_set("admitted", 3, ADDRESS_TYPE, 4, 0);
  add_chain("prerouting", "nat", NF_INET_PRE_ROUTING, -90);
  add_chain("postrouting", "nat", NF_INET_POST_ROUTING, 100);
  add_chain("forward", "filter", NF_INET_FORWARD, 0);
  add_publishing_rule();
  add_masquerading_rule();
  add_admitting_rule(DESTINATION_OFFSET);
  add_admitting_rule(SOURCE_OFFSET);
}

static void change_element(int kind, int flags, const char *set, const void *key, size_t size, const void *value) {
  struct nl_msg *msg = change(kind, flags);
  nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, set);
  struct nlattr *list = nla_nest_start(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
  struct nlattr *element = nla_nest_start(msg, NFTA_LIST_ELEM);
  put_data(msg, NFTA_SET_ELEM_KEY, key, size);
  if (value) put_data(msg, NFTA_SET_ELEM_DATA, value, size);
  nla_nest_end(msg, element);
  nla_nest_end(msg, list);
  end(msg);
}

/* Sends the batch and reads the answer to its last message. */
static void commit(int is_deletion) {
  cl_close_late();
  int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  check(sock, "socket");
  if (is_deletion) {
    cl_keep_until_exit(sock);
    cl_note_deletion();
  }
  check(send(sock, batch, batch_size, 0), "send batch");
  union {
    struct nlmsghdr header;
    unsigned char bytes[8192];
  } answer;
  check(recv(sock, &answer, sizeof answer, 0), "receive answer");
  struct nlmsgerr *error = NLMSG_DATA(&answer.header);
  if (answer.header.nlmsg_type != NLMSG_ERROR || error->error) fail("rules", strerror(-error->error));
  close(sock);
}

void change_rules(int is_addition, const struct rules *rules) {
  const int kind = is_addition ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, flags = is_addition ? NLM_F_CREATE : 0;
  const in_port_t host_port = htons(rules->host_port), container_port = htons(rules->container_port);
  unsigned char key[8] = {IPPROTO_TCP}, value[8];
  memcpy(key + 4, &host_port, sizeof host_port);
  memset(value, 0, sizeof value);
  memcpy(value, &rules->address, sizeof rules->address);
  memcpy(value + 4, &container_port, sizeof container_port);

  end(begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  if (is_addition && rules->has_table) add_table();
  if (rules->kind == MASQUERADE) change_element(kind, flags, "masqueraded", &rules->address, 4, NULL);
  if (rules->kind == PUBLISH) change_element(kind, flags, "ports", key, sizeof key, is_addition ? value : NULL);
  if (rules->kind == ADMIT) change_element(kind, flags, "admitted", &rules->address, 4, NULL);
  if (!is_addition && rules->has_table) end(change(NFT_MSG_DELTABLE, 0));
  last->nlmsg_flags |= NLM_F_ACK;
  end(begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  commit(!is_addition);
}
