// Expected: no event says that a range is removed if madvise fails and removes nothing.
// Linux 7.3.4: MADV_FREE of shared memory sends UFFD_EVENT_REMOVE, and then fails with EINVAL. Needs
// CONFIG_USERFAULTFD. cc -static -lpthread
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

static void *lazy_free(void *p)
{
	return (void *)(long)madvise(p, 4096, MADV_FREE);
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), removed;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg event;
	pthread_t thread;
	void *result;

	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	pthread_create(&thread, 0, lazy_free, p);
	sleep(1);
	removed = read(uffd, &event, sizeof(event)) == sizeof(event) && event.event == UFFD_EVENT_REMOVE;
	pthread_join(thread, &result);
	if (!result)
		return puts("MADV_FREE of shared memory does not fail"), 2;
	puts(removed ? "BROKEN: an event says that a range is removed, and madvise has failed" : "ok");
	return removed;
}
