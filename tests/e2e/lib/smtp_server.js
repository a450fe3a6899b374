// SPDX-License-Identifier: MIT
// npm's smtp-server as a process: node smtp_server.js NODE_MODULES PORT RECORD. Stores each message as a line of JSON, in
// the record, before it says 250.
"use strict";
const fs = require("fs");
const path = require("path");

const [modules, port, record] = process.argv.slice(2);
const { SMTPServer } = require(path.join(modules, "smtp-server"));

function store(stream, session, done) {
	const chunks = [];
	stream.on("data", (chunk) => chunks.push(chunk));
	stream.on("end", () => {
		const { mailFrom, rcptTo } = session.envelope;
		const stored = {
			sender: mailFrom.address,
			recipients: rcptTo.map((to) => to.address),
			content: Buffer.concat(chunks).toString("hex"),
		};
		fs.appendFileSync(record, JSON.stringify(stored) + "\n");
		done();
	});
}

const server = new SMTPServer({ authOptional: true, disabledCommands: ["AUTH", "STARTTLS"], onData: store });
server.on("error", (error) => console.error(error.message));
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
