// Expected: a child has the memory that its parent had at fork (fork(2)). If an access raises SIGBUS in
// the parent, it does so in the child.
// Linux 7.3.4: if a huge page was taken from a process because the pool was empty, the process gets
// SIGBUS, but a child that it makes later reads zeros. Needs hugetlb and root (for nr_hugepages).
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile char *page;

static int pool(const char *pages)
{
	return write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), pages, 1);
}

// Returns what a child reads, or -1 if it gets SIGBUS.
static int child_reads(void)
{
	int status;

	if (!fork())
		_exit(*page);
	wait(&status);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS ? -1 : WEXITSTATUS(status);
}

int main(void)
{
	int go[2], back[2], grandchild, child;
	char byte;

	pool("1");
	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (page == MAP_FAILED || pipe(go) || pipe(back))
		return perror("mmap, pipe"), 2;
	*page = 7;
	if (!fork()) {
		read(go[0], &byte, 1);
		grandchild = child_reads();
		write(back[1], &grandchild, sizeof(grandchild));
		_exit(*page);
	}
	*page = 8; // takes the page from the child: the only one is in use
	pool("4");
	write(go[1], "", 1);
	read(back[0], &grandchild, sizeof(grandchild));
	wait(&child);
	if (!WIFSIGNALED(child) || WTERMSIG(child) != SIGBUS)
		return puts("the page was not taken from the child"), 2;
	if (grandchild == -1 || grandchild == 7)
		return puts("ok"), 0;
	printf("BROKEN: a huge page that contained 7 was taken from a child: it gets SIGBUS, and its own child reads %d\n", grandchild);
	return 1;
}
