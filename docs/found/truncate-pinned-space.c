// Expected: the part of a huge page that lies beyond the end of a file of tmpfs is given up when the file system is
// full (mm/shmem.c: "try to reclaim some space by splitting a few large folios beyond i_size"). It is so
// if the huge page was allocated for a short file (the control).
// Linux 7.3.4: if ftruncate could not split the huge page, because a pipe had a reference to it, the space stays taken,
// also when the reference is gone. Needs CONFIG_TRANSPARENT_HUGEPAGE and root (to mount). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Makes a file of 4 kB that has a huge page on a tmpfs of 3 MiB. Returns whether another file can have 2 MiB, or -1.
static int room(int cuts)
{
	char *p = (char *)0x700000000000, byte;
	struct stat st;
	int one, other, ok, ends[2];
	off_t at = 0;

	mkdir("/mnt", 0755);
	if (mount("none", "/mnt", "tmpfs", 0, "size=3M,huge=always") || pipe(ends))
		return perror("mount"), -1;
	one = open("/mnt/one", O_RDWR | O_CREAT, 0600);
	other = open("/mnt/other", O_RDWR | O_CREAT, 0600);
	ftruncate(one, cuts ? HUGE : 4096);
	mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, one, 0);
	*p = 7;
	munmap(p, HUGE);
	if (cuts && (splice(one, &at, ends[1], 0, 1, 0) != 1 || ftruncate(one, 4096) || read(ends[0], &byte, 1) != 1))
		return perror("splice, ftruncate"), -1;
	close(ends[0]), close(ends[1]);
	if (fstat(one, &st) || st.st_size != 4096 || st.st_blocks != HUGE / 512)
		return puts("no huge page"), -1;
	ok = !fallocate(other, 0, 0, HUGE);
	close(one), close(other), umount("/mnt");
	return ok;
}

int main(void)
{
	int control = room(0), cut = room(1);

	if (control != 1 || cut < 0)
		return puts("cannot be run"), 2;
	puts(cut ? "ok" : "BROKEN: ENOSPC on a tmpfs of 3 MiB with one file of 4 kB, which ftruncate has cut while a pipe read it");
	return !cut;
}
