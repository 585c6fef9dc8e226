// Expected: "no limits are placed on the amount of memory that a privileged process may lock"
// (RLIMIT_MEMLOCK, setrlimit(2)).
// Linux 7.3.4: a touch of secret memory above RLIMIT_MEMLOCK raises SIGBUS also for root; mlock does not
// ask the limit. Needs CONFIG_SECRETMEM and root. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (1L << 20)

int main(void)
{
	struct rlimit limit = { SIZE / 16, SIZE / 16 };
	int memory = syscall(447 /* memfd_secret */, 0), status;
	char *p, *q = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory < 0 || ftruncate(memory, SIZE))
		return puts("cannot be run: no memfd_secret"), 2;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (mlock(q, SIZE))
		return puts("cannot be run: no CAP_IPC_LOCK"), 2;
	if (!fork()) {
		memset(p, 1, SIZE);
		_exit(0);
	}
	wait(&status);
	puts(status ? "BROKEN: secret memory above RLIMIT_MEMLOCK raises SIGBUS for root, who may lock any amount by mlock" : "ok");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}
