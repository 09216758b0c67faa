#pragma once
#include <stdint.h>

/* A target of its own: what is linked statically has libc's exit(3) itself. */

/* How a library's function that ends the process was kept from it: its exit(3) status, and errno at that moment. */
struct ce_exit { int called, status, error; };
/* function(a, number) and function(a, text) of a library. Where one calls exit(3), that returns here instead, without any
   exit handler having run: the frames of the library are left behind, with whatever they had open. */
void *ce_create_catching_exit(void *(*function)(uint32_t), uint32_t number, struct ce_exit *caught);
int ce_run_catching_exit(int (*function)(void *, const char *), void *object, const char *text, struct ce_exit *caught);
