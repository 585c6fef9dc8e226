// Expected: after mseal, MADV_DONTNEED does not discard anonymous memory that is read-only.
// Linux 7.3.4: a MADV_DONTNEED that has waited for a monitor to read its event still discards it.
// Needs CONFIG_USERFAULTFD. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *discard(void *p)
{
	return (void *)(long)madvise(p, 4096, MADV_DONTNEED);
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffd_msg event;
	pthread_t thread;

	*p = 7;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	pthread_create(&thread, 0, discard, p);
	sleep(1);	// the thread waits
	if (mprotect(p, 4096, PROT_READ) || syscall(462 /* mseal */, p, 4096, 0) || !madvise(p, 4096, MADV_DONTNEED))
		return perror("mseal"), 2;
	if (read(uffd, &event, sizeof(event)) != sizeof(event))
		return perror("read"), 2;
	pthread_join(thread, 0);
	printf(*p == 7 ? "ok\n" : "BROKEN: MADV_DONTNEED has discarded a page that is sealed and read-only\n");
	return *p != 7;
}
