// What starting and ending any program costs: linked statically, one line, nothing else.

#include <unistd.h>

int main(void) { return write(STDOUT_FILENO, "{}\n", 3) != 3; }
