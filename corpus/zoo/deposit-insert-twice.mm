# deposit-insert-twice: a huge device page that replaces the huge zero page brings a second page
# table.
thp always
mmap p0 0 8 rw
read p0 0
migrate p0 0 8 d0
