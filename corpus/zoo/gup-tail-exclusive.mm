# gup-tail-exclusive: GUP asks the tail page whether it is exclusive, and not the head of a huge page.
thp always
mmap p0 0 8 rw
write p0 0
mprotect p0 0 8 r
pin p0 3 r
