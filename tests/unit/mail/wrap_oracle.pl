#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The original's side of tests/e2e/test_wrap_oracle.py: the installed Mail::Bulkmail is asked what it makes of the same
# frames that wrap_driver gets.
use strict;
use warnings;
no warnings 'recursion';
use Mail::Bulkmail;

binmode STDIN;
binmode STDOUT;
Mail::Bulkmail->server_class('');

sub object {
	my ($limit, %more) = @_;
	my $mail = Mail::Bulkmail->new(%more) or die Mail::Bulkmail->error;
	$mail->force80($limit == 78 ? 1 : 0);
	$mail->Trusting('wrapping', $limit == 0 ? 1 : 0);
	return $mail;
}

sub body {
	my ($limit, $text) = @_;
	my $mail = object($limit);
	$mail->Message($text);
	my $built = ${ $mail->buildMessage };
	$built =~ s/\.\z//;
	return $built;
}

# A last header of the original's own keeps its treatment of the last line away from the ones that are tried.
sub head {
	my ($limit, $text) = @_;
	my $last = "X-Bulkmail: 3.12\015\012";
	my $folded = object($limit)->_force_wrap_string($text . $last, 'start with a blank', 'no blank lines');
	$folded =~ s/\Q$last\E\z//;
	return $folded;
}

sub whole {
	my ($limit, $envelope, $text) = @_;
	my ($record, $content) = split /\n/, $text, 2;
	my $mail = object($limit, use_envelope => $envelope, headers_from_message => 1);
	$mail->Message($content);
	my $headers = $mail->buildHeaders(\$record) or return $mail->errcode . ' ' . $mail->error;
	my $built = $$headers;
	$built =~ s/^Date:.*\n//m;
	$built =~ s/^X-Bulkmail:.*\n//m;
	$built .= ${ $mail->buildMessage(\$record) };
	$built =~ s/\.\z//;
	return $built;
}

while (defined(my $line = <STDIN>)) {
	my ($kind, $limit, $size) = $line =~ /^([a-z]+)(\d+) (\d+)$/ or die "frame: $line";
	my $text = '';
	read(STDIN, $text, $size) == $size or die 'short frame' if $size;
	my $out =
		  $kind eq 'body' ? body($limit, $text)
		: $kind eq 'head' ? head($limit, $text)
		:                   whole($limit, $kind eq 'whole' ? 1 : 0, $text);
	print "$kind$limit ", length $out, "\n", $out;
}
