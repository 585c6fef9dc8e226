// Expected: a core dump leaves out what was never used (comment of dump_user_range: it avoids "to
// allocate page tables for virtual address ranges that have never been used", "sparse core files").
// The twins: private memory, and a file of hugetlb. Linux 7.3.4: the dump fills the holes of shared
// memory, for good. Needs CONFIG_COREDUMP. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (64L << 20)

// A child maps 64 MB, and dumps core. Blocks of the core file, in MB, and of the memfd.
static int dump(int fd, long *core)
{
	struct stat s, m = { 0 };
	int status;

	unlink("core");
	if (!fork()) {
		if (mmap(0, SIZE, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED, fd, 0) == MAP_FAILED)
			_exit(2);
		abort();
	}
	wait(&status);
	if (!WIFSIGNALED(status) || stat("core", &s))
		printf("cannot be run: no core dump\n"), exit(2);
	if (fd >= 0)
		fstat(fd, &m);
	*core = s.st_blocks >> 11;
	unlink("core");
	return m.st_blocks >> 11;
}

int main(void)
{
	long core_private, core_shared;
	int fd = memfd_create("a", 0), mb;

	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	if (fd < 0 || ftruncate(fd, SIZE))
		return perror("memfd_create"), 2;
	dump(-1, &core_private), mb = dump(fd, &core_shared);
	if (!mb)
		return printf("ok\n"), 0;
	printf("BROKEN: a core dump allocates %d MB of an empty memfd of 64 MB; the core file has %ld MB (%ld MB if the memory is private)\n", mb, core_shared, core_private);
	return 1;
}
