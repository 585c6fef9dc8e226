// Expected: no WARNING. Linux 7.3.4: a call of a probed function warns if userfaultfd write-protects its
// page; and the probe then stays slow in all processes. Needs CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// A function: a nop of 10 bytes, which a probe may replace by a call; return 7.
static const unsigned char code[4096] = { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0xb8, 7, 0, 0, 0, 0xc3 };

int main(void)
{
	int file = memfd_create("code", 0), uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, 0);
	int kind = open("/sys/bus/event_source/devices/uprobe/type", O_RDONLY), event;
	char text[16] = "", path[32];

	write(file, code, 4096), read(kind, text, 15), sprintf(path, "/proc/self/fd/%d", file);
	int (*f)(void) = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	int (*twin)(void) = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	struct perf_event_attr attr = { .type = atoi(text), .size = sizeof(attr), .uprobe_path = (long)path };
	if ((event = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0)) < 0)
		return printf("probe: %m\n"), 2;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_WP_HUGETLBFS_SHMEM, 0 }) ||
	    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)f, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)f, 4096 }, 1 }))
		return printf("userfaultfd: %m\n"), 2;
	f(), twin();
	int fast = *(unsigned char *)twin == 0x48;
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), warned = 0;
	static char line[8192];
	for (long n; (n = read(log, line, sizeof(line) - 1)) > 0 || n < -1;)
		line[n] = 0, warned |= strstr(line, "arch_uprobe_optimize") || strstr(line, "WARNING");
	printf(warned || !fast ? "BROKEN: the kernel warns: %d; another mapping has the fast probe: %d\n" : "ok\n", warned, fast);
	return warned || !fast;
}
