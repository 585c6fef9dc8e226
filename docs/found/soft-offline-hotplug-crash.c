// Expected: a write to /sys/devices/system/memory/soft_offline_page of an address whose memory block goes offline
// fails, as it fails if the block is offline already (the control).
// Linux 7.3.4: soft_offline_page checks first that the page is online, and then waits for the end of the offlining.
// It goes on with a struct page that is no longer initialized: DEBUG_VM stops the kernel. Needs memory hotplug,
// CONFIG_MEMORY_FAILURE, NUMA and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define BLOCK "/sys/devices/system/memory/memory3/state"	// a block of node 1
#define SOFT "/sys/devices/system/memory/soft_offline_page"

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	bad = bad ? errno : 0;
	close(fd);
	return bad;
}

int main(void)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[32];
	int fds[2], before, status = 0, pagemap = open("/proc/self/pagemap", O_RDONLY);
	struct iovec iov = { p, 4096 };
	unsigned long node1 = 2;
	pid_t offline, soft;
	long entry = 0;

	if (put(BLOCK, "offline") || put(BLOCK, "online_movable") || syscall(SYS_mbind, p, 4096, 2 /* MPOL_BIND */, &node1, 64, 0))
		return perror(BLOCK), 2;
	// A pipe keeps a page of the block.
	*p = 1;
	pread(pagemap, &entry, 8, (long)p / 512);
	if (pipe(fds) || vmsplice(fds[1], &iov, 1, 0) != 4096)
		return perror("vmsplice"), 2;
	sprintf(text, "0x%lx", ((entry & ((1l << 55) - 1)) ^ 1024) << 12);	// 4 MB from there
	if (!(offline = fork()))
		_exit(put(BLOCK, "offline"));
	sleep(1);
	if (!(soft = fork()))
		_exit(put(SOFT, text));
	sleep(1);
	if (waitpid(offline, 0, WNOHANG) || waitpid(soft, 0, WNOHANG))
		return puts("cannot be run: the offlining, or the other write, does not wait"), 2;
	read(fds[0], p, 4096);	// now the block can go offline
	waitpid(offline, &status, 0);
	if (status)
		return puts("cannot be run: the offlining fails"), 2;
	waitpid(soft, &status, 0);
	before = put(SOFT, text);
	printf(WIFEXITED(status) && WEXITSTATUS(status) && before ? "ok\n" : "BROKEN: status 0x%x, of a block that is offline: %s\n", status, strerror(before));
	return !(WIFEXITED(status) && WEXITSTATUS(status) && before);
}
