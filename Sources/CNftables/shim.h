#pragma once
/* Headers only: the library itself is loaded when it is first needed. */
#include <linux/netlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

typedef __typeof__(&nft_ctx_new) cn_ctx_new;
typedef __typeof__(&nft_ctx_free) cn_ctx_free;
typedef __typeof__(&nft_ctx_buffer_error) cn_ctx_buffer;
typedef __typeof__(&nft_ctx_get_error_buffer) cn_ctx_text;
typedef __typeof__(&nft_run_cmd_from_buffer) cn_run;

/* The same with untyped contexts, as they are called where the library may call exit(3). */
typedef void *(*cn_create)(uint32_t);
typedef int (*cn_run_untyped)(void *, const char *);
