// Expected: a scan of a directory returns each file that nobody removes or adds during the scan; hugetlbfs
// does so. Linux 7.3.4: a scan of tmpfs misses a file that rename(2) has put in the place of an old one, if
// the file that comes before it in the scan is removed. Needs tmpfs, hugetlbfs and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char order[32]; // what the scan has returned

// Makes the files a, b, c, and d; before c, a new file replaces a. Then reads the directory one entry at a
// time, and removes c as soon as d was returned. Says whether the scan has returned a, which is still there.
static int scan(const char *type)
{
	struct { unsigned long number, position; unsigned short size; unsigned char kind; char name[13]; } entry;
	char name[] = "/mnt/a";
	int dir, count = 0;

	mkdir("/mnt", 0755), memset(order, 0, sizeof order);
	if (mount(type, "/mnt", type, 0, ""))
		return perror(type), -1;
	for (; name[5] <= 'd'; name[5]++)
		if ((name[5] == 'c' && (mknod("/mnt/new", S_IFREG | 0600, 0) || rename("/mnt/new", "/mnt/a"))) || mknod(name, S_IFREG | 0600, 0))
			return perror(name), -1;
	for (dir = open("/mnt", O_RDONLY); count < 30 && syscall(SYS_getdents64, dir, &entry, 32) > 0;) {
		if (entry.name[0] > '.')
			order[count++] = entry.name[0];
		if (entry.name[0] == 'd' && unlink("/mnt/c"))
			return perror("unlink"), -1;
	}
	if (access("/mnt/a", F_OK))
		return perror("a"), -1;
	close(dir), umount("/mnt");
	return !!strchr(order, 'a');
}

int main(void)
{
	int huge = scan("hugetlbfs"), found = scan("tmpfs");

	if (huge != 1 || found < 0)
		return printf("the twin fails: %s\n", order), 2;
	printf(found ? "ok\n" : "BROKEN: a scan has returned only the files %s; a is there, too, and nobody has touched it during the scan\n", order);
	return !found;
}
