// Expected: a write to /proc/PID/mem that fails has written nothing (write(2)). The twins:
// process_vm_writev and write to a file, which return what was written. Linux 7.3.4: EFAULT, after
// pages were written and the offset has moved. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void)
{
	char *p = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *buffer = p + 2 * 4096;
	int fd = open("/proc/self/mem", O_RDWR);
	long twin, written, offset;

	if (fd < 0 || munmap(buffer + 4096, 4096))
		return perror("open"), 2;
	memset(buffer, 1, 4096);
	twin = process_vm_writev(getpid(), &(struct iovec){ buffer, 8192 }, 1, &(struct iovec){ p, 8192 }, 1, 0);
	memset(p, 0, 8192);
	lseek(fd, (long)p, SEEK_SET);
	written = write(fd, buffer, 8192);
	offset = lseek(fd, 0, SEEK_CUR) - (long)p;
	if (written > 0 || !*p)
		return printf("ok\n"), 0;
	printf("BROKEN: process_vm_writev writes %ld bytes; write to /proc/self/mem says %ld, has written %s, and the offset has moved by %ld\n",
	       twin, written, *p ? "a page" : "nothing", offset);
	return 1;
}
