/* SPDX-License-Identifier: MIT */
int bm_mail_placeholder(void);
int bm_mail_placeholder(void)
{
	return 0;
}
