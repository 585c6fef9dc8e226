// Expected: cpuset.mems of a cgroup limits the memory of its tasks, and of no others (cgroup-v2.rst). A child that
// begins in another cgroup (CLONE_INTO_CGROUP, posix_spawnattr_setcgroup_np) leaves its parent's pages where they are.
// Linux 7.3.4: until execve, the child has its parent's memory (CLONE_VM and CLONE_VFORK). Its pages are moved to the
// nodes of the child's cgroup, which the parent may not use, and the parent's policies of mbind are changed.
// Needs cgroup2 with the cpuset controller, two nodes (numa=fake=2U) and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGES 1024

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// A child that has the parent's memory, and ends at once. The parent waits for it.
static long spawn(const char *cgroup)
{
	struct clone_args args = { .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	long result = SYS_clone3;

	args.cgroup = open(cgroup, O_RDONLY | O_DIRECTORY);
	asm volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tmov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n1:"
		     : "+a"(result) : "D"(&args), "S"(sizeof(args)) : "rcx", "r11", "memory");
	close(args.cgroup), wait(0), sleep(2);
	return result;
}

static int on_node(char *p, int node)
{
	int at, n = 0;

	for (int i = 0; i < PAGES; i++)
		n += !syscall(SYS_get_mempolicy, &at, 0, 0, p + i * 4096, MPOL_F_NODE | MPOL_F_ADDR) && at == node;
	return n;
}

int main(void)
{
	char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long zero = 1, mask = 0;
	int mode, before, twin, after;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+cpuset") || mkdir("/cg/parent", 0700) ||
	    mkdir("/cg/same", 0700) || mkdir("/cg/child", 0700) || put("/cg/parent/cpuset.mems", "0") ||
	    put("/cg/same/cpuset.mems", "0") || put("/cg/child/cpuset.mems", "1") || put("/cg/parent/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	if (syscall(SYS_mbind, p, PAGES * 4096, MPOL_BIND, &zero, 64, 0))
		return perror("mbind"), 2;
	memset(p, 1, PAGES * 4096), before = on_node(p, 0);
	if (spawn("/cg/same") < 0)
		return perror("clone3"), 2;
	twin = on_node(p, 0);
	if (before != PAGES || twin != PAGES || spawn("/cg/child") < 0)
		return printf("cannot be run: %d, %d of %d pages are on node 0\n", before, twin, PAGES), 2;
	after = on_node(p, 0);
	syscall(SYS_get_mempolicy, &mode, &mask, 64, p, MPOL_F_ADDR);
	if (after == PAGES && mask == 1)
		return puts("ok"), 0;
	printf("BROKEN: with cpuset.mems of 0, %d of %d pages are on node 0 after a child began in another cgroup, and a policy of mbind has the mask %lx, not 1\n", after, PAGES, mask);
	return 1;
}
