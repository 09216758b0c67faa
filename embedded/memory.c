/* malloc(3) for processes that end soon: blocks of a size that are freed are kept for the next of that size.

   The C library's would return memory to the kernel and ask for it again more than a hundred times in an ADD. There is one thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  unit = 16,
  small = 64,     /* sizes that are multiples of `unit`; the others are powers of two */
  area = 256 << 10, /* what is asked of the kernel at a time; used from the start, so it comes with its pages */
};

struct block {
  size_t class;
  struct block *next; /* of the free ones */
};

static struct block *freed[small + 64];
static char *rest, *end;

/* The class of blocks with at least `size` bytes. */
static size_t class_of(size_t size) {
  if (size <= small * unit) return (size + unit - 1) / unit;
  return small + 64 - (size_t)__builtin_clzl((size - 1) / (small * unit));
}

static size_t capacity(size_t class) { return class <= small ? class * unit : (size_t)(small * unit) << (class - small); }

static void *grow(size_t size) {
  size_t length = size > area ? size : area;
  char *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (size > area ? 0 : MAP_POPULATE), -1, 0);
  if (start == MAP_FAILED) return NULL;
  if (size <= area) rest = start + size, end = start + length;
  return start;
}

/* Not in `malloc` itself: a compiler takes malloc and memset together for calloc. */
static void *allocate(size_t size) {
  if (size > PTRDIFF_MAX / 4) return errno = ENOMEM, NULL;
  size_t class = class_of(size), whole = sizeof(struct block) + capacity(class);
  struct block *block = freed[class];
  if (block) {
    freed[class] = block->next;
  } else {
    if (whole <= (size_t)(end - rest)) {
      block = (struct block *)rest;
      rest += whole;
    } else if (!(block = grow(whole))) {
      return NULL;
    }
    block->class = class;
  }
  return block + 1;
}

void *malloc(size_t size) { return allocate(size); }

void free(void *memory) {
  if (!memory) return;
  struct block *block = (struct block *)memory - 1;
  block->next = freed[block->class];
  freed[block->class] = block;
}

size_t malloc_usable_size(void *memory) { return memory ? capacity(((struct block *)memory - 1)->class) : 0; }

void *calloc(size_t count, size_t size) {
  size_t whole;
  if (__builtin_mul_overflow(count, size, &whole)) return errno = ENOMEM, NULL;
  void *memory = allocate(whole);
  return memory ? memset(memory, 0, whole) : NULL;
}

void *realloc(void *old, size_t size) {
  size_t capacity = malloc_usable_size(old);
  if (old && size <= capacity) return old;
  void *memory = allocate(size);
  if (!memory) return NULL;
  if (old) memcpy(memory, old, capacity);
  free(old);
  return memory;
}

/* Blocks are aligned to `unit`; nothing here asks for more. */
int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment > unit) return EINVAL;
  return (*memory = allocate(size)) ? 0 : ENOMEM;
}
