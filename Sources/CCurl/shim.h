#pragma once
/* Headers only: the library itself is loaded when it is first needed. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <stddef.h>

/* What is used of libcurl, found in a loaded library. */
typedef struct {
  __typeof__(&curl_global_init) global_init;
  __typeof__(&curl_easy_init) easy_init;
  __typeof__(&curl_easy_cleanup) easy_cleanup;
  __typeof__(&curl_easy_reset) easy_reset;
  __typeof__(&curl_easy_setopt) easy_setopt;
  __typeof__(&curl_easy_getinfo) easy_getinfo;
  __typeof__(&curl_easy_strerror) easy_strerror;
  __typeof__(&curl_multi_init) multi_init;
  __typeof__(&curl_multi_cleanup) multi_cleanup;
  __typeof__(&curl_multi_add_handle) multi_add_handle;
  __typeof__(&curl_multi_remove_handle) multi_remove_handle;
  __typeof__(&curl_multi_perform) multi_perform;
  __typeof__(&curl_multi_poll) multi_poll;
  __typeof__(&curl_multi_info_read) multi_info_read;
  __typeof__(&curl_slist_append) slist_append;
  __typeof__(&curl_slist_free_all) slist_free_all;
} cc_library;

/* The name of a function that the library lacks; NULL where it has all. */
static inline const char *cc_find(void *handle, cc_library *library) {
#define CC_FIND(name) \
  if (!(library->name = (__typeof__(library->name))dlsym(handle, "curl_" #name))) return "curl_" #name
  CC_FIND(global_init);
  CC_FIND(easy_init);
  CC_FIND(easy_cleanup);
  CC_FIND(easy_reset);
  CC_FIND(easy_setopt);
  CC_FIND(easy_getinfo);
  CC_FIND(easy_strerror);
  CC_FIND(multi_init);
  CC_FIND(multi_cleanup);
  CC_FIND(multi_add_handle);
  CC_FIND(multi_remove_handle);
  CC_FIND(multi_perform);
  CC_FIND(multi_poll);
  CC_FIND(multi_info_read);
  CC_FIND(slist_append);
  CC_FIND(slist_free_all);
#undef CC_FIND
  return NULL;
}

/* What Swift cannot call because it takes any number of arguments. */
static inline CURLcode cc_set_number(const cc_library *library, CURL *handle, CURLoption option, long value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_size(const cc_library *library, CURL *handle, CURLoption option, curl_off_t value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_text(const cc_library *library, CURL *handle, CURLoption option, const char *value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_bytes(const cc_library *library, CURL *handle, CURLoption option, const void *value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_list(const cc_library *library, CURL *handle, CURLoption option,
                                   struct curl_slist *value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_buffer(const cc_library *library, CURL *handle, CURLoption option, void *value) {
  return library->easy_setopt(handle, option, value);
}
static inline CURLcode cc_set_writer(const cc_library *library, CURL *handle, curl_write_callback writer) {
  return library->easy_setopt(handle, CURLOPT_WRITEFUNCTION, writer);
}
static inline CURLcode cc_get_number(const cc_library *library, CURL *handle, CURLINFO info, long *value) {
  return library->easy_getinfo(handle, info, value);
}
/* The result of a finished transfer. */
static inline CURLcode cc_result(const CURLMsg *message) { return message->data.result; }
