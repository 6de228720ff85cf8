/* banned.h: functions that core, api and server do not use; `make lint` includes it before everything else. Each has a
 * safer neighbour, named here. */
#ifndef BANNED_H
#define BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(INSTEAD) use_##INSTEAD##_instead

/* Write without looking at the room. */
#undef strcpy
#define strcpy(...) BANNED(snprintf_or_memcpy)
#undef strcat
#define strcat(...) BANNED(snprintf)
#undef strncpy
#define strncpy(...) BANNED(snprintf_or_memcpy)
#undef strncat
#define strncat(...) BANNED(snprintf)
#undef sprintf
#define sprintf(...) BANNED(snprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsnprintf)
#undef gets
#define gets(...) BANNED(fgets)
#undef alloca
#define alloca(...) BANNED(convd_arena_take)
/* Hide state that threads would share. */
#undef strtok
#define strtok(...) BANNED(strcspn)
#undef rand
#define rand(...) BANNED(philox)
#undef srand
#define srand(...) BANNED(philox)
#undef gmtime
#define gmtime(...) BANNED(gmtime_r)
#undef localtime
#define localtime(...) BANNED(localtime_r)
#undef ctime
#define ctime(...) BANNED(strftime)
#undef asctime
#define asctime(...) BANNED(strftime)
/* Cannot tell an error from a zero. */
#undef atoi
#define atoi(...) BANNED(strtol)
#undef atol
#define atol(...) BANNED(strtol)
#undef atof
#define atof(...) BANNED(strtod)
/* Start a shell. */
#undef system
#define system(...) BANNED(posix_spawn)
#undef popen
#define popen(...) BANNED(posix_spawn)
/* Ignore case, stop at the first of two, or hide a global (JSON): api/json.c is the one front door. */
#define cJSON_GetObjectItem(...) BANNED(api_json_parse)
#define cJSON_GetErrorPtr(...) BANNED(cJSON_ParseWithLengthOpts)
#define cJSON_GetArrayItem(...) BANNED(cJSON_ArrayForEach)
#endif
