// Expected: RLIMIT_STACK is "the maximum size of the process stack" (setrlimit(2)).
// Linux 7.3.4: a read of /proc/PID/mem below the stack makes the stack grow, up to the limits of the
// reader. process_vm_readv fails. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>
#define BELOW (512L << 20)

// VmStk of /proc/PID/status, in kB.
static int stack(pid_t pid)
{
	char name[64], text[4096] = "";

	sprintf(name, "/proc/%d/status", pid);
	read(open(name, O_RDONLY), text, sizeof(text) - 1);
	return atoi(strstr(text, "VmStk:") + 6);
}

int main(void)
{
	struct rlimit small = { 1 << 20, 1 << 20 }, large = { RLIM_INFINITY, RLIM_INFINITY };
	char name[64], byte;
	struct iovec here = { &byte, 1 }, there = { &byte - BELOW, 1 };
	pid_t child;
	int before, after;
	ssize_t twin;

	setrlimit(RLIMIT_STACK, &large);
	if (!(child = fork()))
		return setrlimit(RLIMIT_STACK, &small), pause();
	sleep(1);
	before = stack(child);
	twin = process_vm_readv(child, &here, 1, &there, 1, 0);
	sprintf(name, "/proc/%d/mem", child);
	if (twin > 0 || stack(child) != before)
		return kill(child, SIGKILL), 2;
	pread(open(name, O_RDONLY), &byte, 1, (long)&byte - BELOW);
	after = stack(child);
	kill(child, SIGKILL);
	printf(after > 1024 ? "BROKEN: a read of /proc/PID/mem makes a stack with RLIMIT_STACK of 1024 kB grow from %d kB to %d kB\n" : "ok\n", before, after);
	return after > 1024;
}
