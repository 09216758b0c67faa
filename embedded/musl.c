/* What libnl, jansson and Swift, compiled for glibc, call and musl lacks: the checking variants of functions, which they call
   with the size of the result's buffer, and functions newer than musl. */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

static void check(size_t length, size_t capacity) {
  if (length > capacity) abort();
}

int __vfprintf_chk(FILE *file, int flag, const char *format, va_list values) { return (void)flag, vfprintf(file, format, values); }
int __vasprintf_chk(char **text, int flag, const char *format, va_list values) { return (void)flag, vasprintf(text, format, values); }

int __vsnprintf_chk(char *text, size_t length, int flag, size_t capacity, const char *format, va_list values) {
  (void)flag, check(length, capacity);
  return vsnprintf(text, length, format, values);
}

int __snprintf_chk(char *text, size_t length, int flag, size_t capacity, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = __vsnprintf_chk(text, length, flag, capacity, format, values);
  va_end(values);
  return written;
}

int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = __vfprintf_chk(file, flag, format, values);
  va_end(values);
  return written;
}

char *__strncpy_chk(char *to, const char *from, size_t length, size_t capacity) {
  check(length, capacity);
  return strncpy(to, from, length);
}

/* Swift seeds its hash tables with it. */
void arc4random_buf(void *buffer, size_t length) {
  for (char *next = buffer; length > 0;) {
    ssize_t count = getrandom(next, length, 0);
    if (count < 0 && errno != EINTR) abort();
    if (count > 0) next += count, length -= (size_t)count;
  }
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
  return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

/* The texts of glibc, as other programs and swift-cni-dynamic print them. */
extern const char *const error_texts[];
extern const int error_text_count;

char *strerror(int number) {
  static char unknown[32];
  if (number >= 0 && number < error_text_count) return (char *)error_texts[number];
  snprintf(unknown, sizeof unknown, "Unknown error %d", number);
  return unknown;
}

char *strerror_l(int number, locale_t locale) { return (void)locale, strerror(number); }
