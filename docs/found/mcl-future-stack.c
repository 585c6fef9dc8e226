// Expected: MCL_FUTURE locks "all pages which will become mapped into the address space of the process
// in the future", for instance "new pages required by a growing heap and stack" (mlockall(2)).
// Linux 7.3.4: it locks what the heap grows by, but not what the stack grows by, nor what mremap adds.
// cc -static
#define _GNU_SOURCE
#include <alloca.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (4L << 20)

// A field of /proc/self/status, in kB.
static int status(const char *field)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);

	text[read(fd, text, sizeof(text) - 1)] = 0;
	close(fd);
	return atoi(strstr(text, field) + strlen(field));
}

static __attribute__((noinline)) void grow_stack(void)
{
	volatile char *stack = alloca(SIZE);

	for (long i = SIZE - 1; i >= 0; i -= 64)
		stack[i] = 1;
}

int main(void)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *heap = sbrk(0);
	int start, lock0, lock1, lock2, lock3;

	if (p == MAP_FAILED || mlockall(MCL_FUTURE))
		return perror("mlockall"), 2;
	start = status("VmStk:"), lock0 = status("VmLck:");
	if (brk(heap + SIZE))
		return perror("brk"), 2;
	lock1 = status("VmLck:");
	grow_stack();
	lock2 = status("VmLck:");
	if (mremap(p, 4096, SIZE, MREMAP_MAYMOVE) == MAP_FAILED)
		return perror("mremap"), 2;
	lock3 = status("VmLck:");
	if (lock1 - lock0 < SIZE >> 10 || status("VmStk:") - start < 512)
		return fprintf(stderr, "locked of the heap: %d kB; the stack has %d kB\n", lock1 - lock0, status("VmStk:")), 2;
	if (lock2 - lock1 >= 512)
		return printf("ok\n"), 0;
	printf("BROKEN: MCL_FUTURE locks %d kB of a heap that grows by 4096 kB, %d kB of a stack, and %d kB of mremap\n", lock1 - lock0, lock2 - lock1, lock3 - lock2);
	return 1;
}
