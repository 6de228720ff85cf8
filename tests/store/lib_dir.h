/* lib_dir.h: a directory for --data and what lies in it, for tests that look at the disk behind a store. */
#ifndef LIB_DIR_H
#define LIB_DIR_H
#include <stddef.h>
#include <sys/types.h>

#define DIR_NAME 64
/* Removes what dir names, unless it is empty, and makes a fresh one. */
void dir_new(char dir[DIR_NAME]);
void dir_remove(char dir[DIR_NAME]); /* dir is empty afterwards */
size_t dir_files(const char *dir);   /* how many files the store keeps in it */
const char *dir_file(const char *dir); /* the path of one of them; static storage */
/* Changes one bit of the byte there; twice: as it was. */
void dir_flip(const char *path, off_t at);
#endif
