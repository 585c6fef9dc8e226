// Expected: an OOM kill in a cgroup kills no task outside of the cgroup, whatever memory.oom.group is (cgroup-v2.rst).
// Linux 7.3.4: memory.oom.group kills a child in the cgroup that has not called execve yet, and all that have its
// memory: the parent in another cgroup, too (vfork, posix_spawn with a cgroup). The choice of a victim leaves such
// a child out, and if fork has made the child, the parent lives (the control). Needs cgroup2 and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define SIZE (64l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// In /cg/a, makes a child in /cg/c. The child waits for 6 s, as if execve were slow, and ends.
static void parent(unsigned long flags)
{
	struct clone_args args = { .flags = flags | CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	struct timespec time = { 6, 0 };
	long result = SYS_clone3;

	args.cgroup = open("/cg/c", O_RDONLY | O_DIRECTORY);
	if (args.cgroup < 0 || put("/cg/a/cgroup.procs", "0"))
		_exit(2);
	asm volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tmov $35, %%eax\n\tmov %3, %%rdi\n\txor %%esi, %%esi\n\tsyscall\n\t"
		     "mov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n1:"
		     : "+a"(result) : "D"(&args), "S"(sizeof(args)), "r"(&time) : "rcx", "r11", "memory");
	_exit(result < 0 ? 2 : 0);
}

static int run(unsigned long flags)
{
	pid_t outside, hog;
	int status, status2;

	outside = fork();
	if (!outside)
		parent(flags);
	sleep(1);
	hog = fork();
	if (!hog) {
		char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (!put("/cg/c/cgroup.procs", "0"))
			memset(p, 1, SIZE);
		_exit(0);
	}
	waitpid(hog, &status2, 0), waitpid(outside, &status, 0);
	if (!WIFSIGNALED(status2) || WTERMSIG(status2) != SIGKILL)
		puts("cannot be run: memory.max does not kill"), _exit(2);
	return status;
}

int main(void)
{
	int twin, status;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) || mkdir("/cg/c", 0700) ||
	    put("/cg/c/memory.max", "16777216") || put("/cg/c/memory.swap.max", "0") || put("/cg/c/memory.oom.group", "1"))
		return perror("cgroup2"), 2;
	twin = run(0);
	if (twin)
		return printf("cannot be run: after fork, the parent has the status %x\n", twin), 2;
	status = run(CLONE_VM);
	if (!status)
		return puts("ok"), 0;
	printf("BROKEN: an OOM kill in one cgroup ends a process of another one with signal %d; if its child came from fork, the process lives\n", WTERMSIG(status));
	return 1;
}
