# lib/mmfuzz/exclusive.c
# the driver does not unlock an exclusive page if it has to start over
s/^		unlock_page(page);$/		if (ret != -EBUSY)\n			unlock_page(page);/
