// Expected: PTRACE_PEEKDATA returns, also for memory that the traced process has made inaccessible.
// Linux 7.3.4: PTRACE_PEEKDATA never returns in a page of 1 GiB after mprotect with PROT_NONE. Only
// SIGKILL ends it. Needs a CPU with pages of 1 GiB, and 1 such page in the pool, for example by
// hugepagesz=1G hugepages=1. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (1L << 30)

// Makes two processes: an owner, which has the page, and a reader, which attaches to the owner and
// reads the page. Returns what the reader has read, or -1 if the reader has not ended after 5 s.
static int peek(char *page, int protection)
{
	int owner = fork(), reader, status, ended = 0;

	if (!owner && mprotect(page, SIZE, protection) == 0)
		for (;;)
			pause();
	sleep(1);
	reader = fork();
	if (!reader) {
		ptrace(PTRACE_ATTACH, owner, 0, 0);
		waitpid(owner, NULL, 0);
		_exit(ptrace(PTRACE_PEEKDATA, owner, page, 0));
	}
	for (int i = 0; i < 50 && !ended; i++) {
		usleep(100000);
		ended = waitpid(reader, &status, WNOHANG) == reader;
	}
	kill(reader, SIGKILL);
	kill(owner, SIGKILL);
	return ended ? WEXITSTATUS(status) : -1;
}

int main(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | 30 << 26, -1, 0);
	int readable, inaccessible;

	if (p == MAP_FAILED)
		return puts("cannot be run: no page of 1 GiB"), 2;
	*p = 7;
	readable = peek(p, PROT_READ);
	inaccessible = peek(p, PROT_NONE);
	if (readable == 7 && inaccessible >= 0)
		return printf("ok: %d\n", inaccessible), 0;
	printf("BROKEN: PTRACE_PEEKDATA yields %d in a page of 1 GiB with PROT_READ, and %d with PROT_NONE (-1: it does not return)\n",
	       readable, inaccessible);
	return 1;
}
