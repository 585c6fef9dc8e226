// Expected: a remount with size= changes the size of a mount, or fails.
// Linux 7.3.4: a remount of hugetlbfs says 0, and changes none of its options. Needs hugetlb and root.
// cc -static
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

// Mounts 8 MiB, remounts 4 MiB, and returns the size in MiB.
static long size(const char *type)
{
	struct statfs stat;

	mkdir("/tmp/mount", 0755);
	if (mount("none", "/tmp/mount", type, 0, "size=8M,nr_inodes=10"))
		return -2;
	if (mount("none", "/tmp/mount", type, MS_REMOUNT, "size=4M,nr_inodes=20"))
		return -1;
	return statfs("/tmp/mount", &stat) ? -2 : (long)stat.f_blocks * stat.f_bsize >> 20;
}

int main(void)
{
	long tmpfs = size("tmpfs"), huge = size("hugetlbfs");

	if (tmpfs == -2 || huge == -2)
		return perror("mount"), 2;
	if (huge == 4 || huge == -1)
		return puts("ok"), 0;
	printf("BROKEN: a remount with size=4M of a mount with size=8M succeeds, and the size is %ld MiB with tmpfs, %ld MiB with hugetlbfs\n", tmpfs, huge);
	return 1;
}
