// Expected: UFFDIO_COPY with UFFDIO_COPY_MODE_WP fails where write protection is not registered.
// Linux 7.3.4: into hugetlb it succeeds, if the range was registered for write protection when the
// call began, and was registered anew while the call waited for its source. Needs CONFIG_HUGETLBFS,
// CONFIG_USERFAULTFD and root (to get a huge page). cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2l << 20)
#define FROM ((char *)(1l << 32))
#define TO ((char *)(2l << 32))

static void registers(int fd, char *p, int mode)
{
	ioctl(fd, UFFDIO_API, &(struct uffdio_api){ UFFD_API });
	ioctl(fd, UFFDIO_UNREGISTER, &(struct uffdio_range){ (long)p, SIZE });
	ioctl(fd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)p, SIZE }, mode });
}

static void *copies(void *uffd)
{
	ioctl((long)uffd, UFFDIO_COPY, &(struct uffdio_copy){ (long)TO, (long)FROM, SIZE, UFFDIO_COPY_MODE_WP });
	return uffd;
}

int main(void)
{
	long source = syscall(SYS_userfaultfd, O_CLOEXEC), uffd = syscall(SYS_userfaultfd, O_CLOEXEC), entry = 0;
	struct uffd_msg fault;
	pthread_t thread;
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	mmap(FROM, SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(TO, SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	registers(source, FROM, UFFDIO_REGISTER_MODE_MISSING);
	registers(uffd, TO, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
	pthread_create(&thread, 0, copies, (void *)uffd);
	read(source, &fault, sizeof(fault));	// the copy waits
	registers(uffd, TO, UFFDIO_REGISTER_MODE_MISSING);
	ioctl(source, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){ { (long)FROM, SIZE } });
	pthread_join(thread, 0);
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)TO / 512);
	puts(entry >> 57 & 1 ? "BROKEN: a page is write-protected for userfaultfd where write protection is not registered" : "ok");
	return entry >> 57 & 1;
}
