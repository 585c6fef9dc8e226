// Expected: RLIMIT_MEMLOCK limits the secret memory of a user (memfd_secret(2)).
// Linux 7.3.4: the count ends when the descriptor is closed, and an O_PATH descriptor keeps the pages. So
// a user can have any amount of memory that is locked. Needs CONFIG_SECRETMEM. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LIMIT (1 << 20)
#define ROUNDS 32

static int unevictable(void)
{
	char text[4096] = "";
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	return atoi(strstr(text, "Unevictable:") + 12);
}

int main(void)
{
	struct rlimit limit = { LIMIT, LIMIT };
	int before = unevictable(), after;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(1000))
		return perror("setuid"), 2;
	for (int i = 0; i < ROUNDS; i++) {
		int memory = syscall(447 /* memfd_secret */, 0);
		char path[64], *p;
		if (memory < 0 || ftruncate(memory, LIMIT))
			return puts("cannot be run: no memfd_secret"), 2;
		p = mmap(0, LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
		memset(p, 1, LIMIT); // SIGBUS above the limit
		sprintf(path, "/proc/self/fd/%d", memory);
		if (open(path, O_PATH) < 0)
			return perror("O_PATH"), 2;
		munmap(p, LIMIT);
		close(memory);
	}
	after = unevictable();
	printf(after - before > 2 * LIMIT / 1024 ? "BROKEN: %d kB of secret memory with RLIMIT_MEMLOCK = %d kB\n" : "ok\n", after - before, LIMIT / 1024);
	return after - before > 2 * LIMIT / 1024;
}
