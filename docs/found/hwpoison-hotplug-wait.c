// Expected: a memory failure is handled at once, also while a memory block of another node goes offline (which
// "might retry for a long time (or even forever)", memory-hotplug.rst), as move_pages then still moves pages (the
// control). memory_failure must unmap the page and signal the processes that have it, before they read it.
// Linux 7.3.4: offline_pages keeps a lock of all zones' lists from start to end, and memory_failure waits for it,
// with a lock that all other memory failures need. SIGKILL does not end the wait. Needs memory hotplug,
// CONFIG_MEMORY_FAILURE, NUMA and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define BLOCK "/sys/devices/system/memory/memory3/state"	// a block of node 1

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static char *page(unsigned long node)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (syscall(SYS_mbind, p, 4096, 2 /* MPOL_BIND */, &node, 64, 0))
		perror("mbind"), exit(2);
	return memset(p, 1, 4096);
}

static int ended(pid_t pid, int tenths)
{
	for (; tenths; tenths--, usleep(100000))
		if (waitpid(pid, 0, WNOHANG) == pid)
			return 1;
	return 0;
}

// A process that moves a page of node 0, or that poisons one.
static pid_t start(int poison)
{
	pid_t pid = fork();
	void *p;
	int node = 1, status;

	if (pid)
		return pid;
	p = page(1);
	poison ? madvise(p, 4096, 100 /* MADV_HWPOISON */) : syscall(SYS_move_pages, 0, 1, &p, &node, &status, 2);
	_exit(0);
}

int main(void)
{
	int fds[2], before, moved, poisoned, killed, after;
	struct iovec iov = { 0, 4096 };
	pid_t offline, pid;

	if (put(BLOCK, "offline") || put(BLOCK, "online_movable"))
		return perror(BLOCK), 2;
	before = ended(start(1), 20);
	// A pipe keeps a page of the block, so that the block cannot go offline.
	iov.iov_base = page(2);
	if (pipe(fds) || vmsplice(fds[1], &iov, 1, 0) != 4096)
		return perror("vmsplice"), 2;
	if (!(offline = fork()))
		_exit(put(BLOCK, "offline"));
	sleep(1);
	moved = ended(start(0), 20);
	pid = start(1), poisoned = ended(pid, 200);
	kill(pid, SIGKILL), killed = poisoned || ended(pid, 20);
	kill(offline, SIGKILL), after = ended(offline, 20) && (killed || ended(pid, 20));
	if (!before || !moved || !after)
		return printf("cannot be run: %d %d %d\n", before, moved, after), 2;
	if (poisoned)
		return puts("ok"), 0;
	printf("BROKEN: while a block of node 1 goes offline, move_pages of a page of node 0 ends, and MADV_HWPOISON of one does not end in 20 s; SIGKILL %s\n",
	       killed ? "ends it" : "does not end it");
	return 1;
}
