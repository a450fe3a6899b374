/* SPDX-License-Identifier: MIT */
int bm_engine_placeholder(void);
int bm_engine_placeholder(void)
{
	return 0;
}
