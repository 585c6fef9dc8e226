// Expected: reading the memory of a process does not change the memory of its child.
// Linux 7.3.4: process_vm_readv of a private huge page that fork has shared makes a copy for the
// parent. If no huge page is free, it takes the page away from the child, which gets SIGBUS. Needs
// CONFIG_HUGETLBFS and root (to have one huge page). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (2l << 20)

// Whether a child sees the huge page of its parent after the parent's memory was read.
static int is_seen(int by_pin)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), byte;
	int go[2], status, mem = open("/proc/self/mem", O_RDONLY);

	if (p == MAP_FAILED || pipe(go))
		return perror("hugetlb"), -1;
	*p = 7;
	if (!fork()) {
		read(go[0], &byte, 1);
		_exit(*(volatile char *)p);
	}
	if (by_pin)
		process_vm_readv(getpid(), &(struct iovec){ &byte, 1 }, 1, &(struct iovec){ p, 1 }, 1, 0);
	else
		pread(mem, &byte, 1, (long)p);
	write(go[1], "", 1);
	wait(&status);
	munmap(p, SIZE);
	return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

int main(void)
{
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "1", 1);
	int plain = is_seen(0), broken = !is_seen(1);
	if (plain != 1)
		return puts("no huge page"), 2;
	puts(broken ? "BROKEN: process_vm_readv of a process takes a huge page from its child, and the child gets SIGBUS; a read of /proc/self/mem takes none" : "ok");
	return broken;
}
