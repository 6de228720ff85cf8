/* lib_value.h: value trees written in tests: list(2, num(1), str("x")), object(1, "name", str("box")). */
#ifndef LIB_VALUE_H
#define LIB_VALUE_H
#include "../../core/value.h"

struct convd_value num(double x);
struct convd_value str(const char *s);
struct convd_value list(int n, ...);   /* n values                 */
struct convd_value object(int n, ...); /* n times a name, a value  */
struct convd_value nothing(void);
#endif
