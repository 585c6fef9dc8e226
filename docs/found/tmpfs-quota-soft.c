// Expected: a soft limit that quotactl sets for a user of a tmpfs with usrquota stays set. It does if a hard limit
// is set, too (the control).
// Linux 7.3.4: if the user has no file there, the soft limit is gone once the kernel drops its cache of the quota. So
// is the exemption of a user from usrquota_block_hardlimit=. Needs CONFIG_TMPFS_QUOTA and root. cc -static
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Sets the limits of a user (in kB), waits, and returns the soft limit (the hard limit if both are to be 0).
static long soft(int fd, int user, long softlimit, long hardlimit)
{
	struct dqblk set = { .dqb_bhardlimit = hardlimit, .dqb_bsoftlimit = softlimit, .dqb_valid = QIF_BLIMITS }, got = { 0 };

	if (syscall(443 /* quotactl_fd */, fd, QCMD(Q_SETQUOTA, USRQUOTA), user, &set))
		return perror("Q_SETQUOTA"), -1;
	sleep(3);
	if (syscall(443, fd, QCMD(Q_GETQUOTA, USRQUOTA), user, &got))
		return perror("Q_GETQUOTA"), -1;
	return hardlimit || softlimit ? got.dqb_bsoftlimit : got.dqb_bhardlimit;
}

int main(void)
{
	int fd;
	long control, alone, none;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "usrquota"))
		return perror("mount with usrquota"), 2;
	fd = open("/mnt", O_RDONLY);
	control = soft(fd, 1000, 1024, 2048);
	alone = soft(fd, 1001, 1024, 0);
	mkdir("/mnt/2", 0755);
	if (mount("tmpfs", "/mnt/2", "tmpfs", 0, "usrquota,usrquota_block_hardlimit=4M"))
		return perror("mount with a limit"), 2;
	none = soft(open("/mnt/2", O_RDONLY), 1002, 0, 0);
	if (control != 1024 || alone < 0 || none < 0)
		return puts("cannot be run"), 2;
	if (alone == 1024 && !none)
		return puts("ok"), 0;
	printf("BROKEN: a soft limit of 1024 kB is %ld kB after 3 s, and %ld kB with a hard limit besides; a hard limit of 0 kB is %ld kB\n", alone, control, none);
	return 1;
}
