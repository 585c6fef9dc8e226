/* A page that may not be accessed is -EFAULT, whether for its area or for the entry. */
static long device_touch(int dev, unsigned long command, int page, long word)
{
	mirror[0] = word;
	long ret = device(dev, command, page, 1);
	return ret == -EPERM ? -EFAULT : ret < 0 ? ret : (long)mirror[0];
}
