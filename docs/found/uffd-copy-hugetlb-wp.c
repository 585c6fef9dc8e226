// Expected: UFFDIO_COPY with UFFDIO_COPY_MODE_WP fails where write protection is not registered.
// Linux 7.3.4: into hugetlb it succeeds, if the range was registered for it when the call began, and
// was registered anew while the call waited for its source. Needs CONFIG_HUGETLBFS,
// CONFIG_USERFAULTFD and root (to get a huge page). cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2ul << 20)
static int uffd;
static struct uffdio_copy copy = { .len = SIZE, .mode = UFFDIO_COPY_MODE_WP };
static void *copies(void *unused)
{
	ioctl(uffd, UFFDIO_COPY, &copy);
	return unused;
}

// Registers a range.
static void registers(int fd, char *p, int mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = mode };
	ioctl(fd, UFFDIO_API, &api);
	ioctl(fd, UFFDIO_UNREGISTER, &reg.range);
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		perror("userfaultfd");
}

int main(void)
{
	char *from = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;
	int source = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_zeropage zero = { .range = { (uintptr_t)from, SIZE } };
	struct uffd_msg fault;
	pthread_t thread;
	long entry = 0;

	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		return perror("hugetlb"), 2;
	registers(source, from, UFFDIO_REGISTER_MODE_MISSING);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	registers(uffd, p, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
	copy.dst = (uintptr_t)p, copy.src = (uintptr_t)from;
	pthread_create(&thread, 0, copies, 0);
	read(source, &fault, sizeof(fault));	// the copy waits
	registers(uffd, p, UFFDIO_REGISTER_MODE_MISSING);
	ioctl(source, UFFDIO_ZEROPAGE, &zero);
	pthread_join(thread, 0);
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)p / 512);
	puts(entry >> 57 & 1 ? "BROKEN: a page is write-protected for userfaultfd where this is not registered" : "ok");
	return entry >> 57 & 1;
}
