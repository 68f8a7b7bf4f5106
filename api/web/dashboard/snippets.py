"""Snippets to paste: the API and SMTP in several languages, filled with the real host, ports and names."""

from __future__ import annotations

from urllib.parse import urlsplit

from hourpost.settings import Settings

_API = {
    "curl": """curl {url}/v1/emails \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"from": "{sender}", "to": "you@example.net", "subject": "Hello", "text": "It works."}}'""",
    "Python": """import resend  # pip install resend

resend.api_url = "{url}"
resend.api_key = "{token}"
resend.Emails.send({{
    "from": "{sender}",
    "to": "you@example.net",
    "subject": "Hello",
    "text": "It works.",
}})""",
    "Node.js": """const answer = await fetch("{url}/v1/emails", {{
  method: "POST",
  headers: {{ Authorization: "Bearer {token}", "Content-Type": "application/json" }},
  body: JSON.stringify({{ from: "{sender}", to: "you@example.net", subject: "Hello", text: "It works." }}),
}});
console.log(answer.status, await answer.json());""",
    "PHP": """<?php
$request = curl_init("{url}/v1/emails");
curl_setopt_array($request, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => ["Authorization: Bearer {token}", "Content-Type: application/json"],
    CURLOPT_POSTFIELDS => json_encode(["from" => "{sender}", "to" => "you@example.net",
        "subject" => "Hello", "text" => "It works."]),
]);
echo curl_exec($request);""",
    "Ruby": """require "net/http"
require "json"

answer = Net::HTTP.post(URI("{url}/v1/emails"),
  {{ from: "{sender}", to: "you@example.net", subject: "Hello", text: "It works." }}.to_json,
  "Authorization" => "Bearer {token}", "Content-Type" => "application/json")
puts answer.body""",
    "Go": """package main

import (
\t"io"
\t"log"
\t"net/http"
\t"os"
\t"strings"
)

func main() {{
\tbody := `{{"from": "{sender}", "to": "you@example.net", "subject": "Hello", "text": "It works."}}`
\trequest, _ := http.NewRequest("POST", "{url}/v1/emails", strings.NewReader(body))
\trequest.Header.Set("Authorization", "Bearer {token}")
\trequest.Header.Set("Content-Type", "application/json")
\tanswer, err := http.DefaultClient.Do(request)
\tif err != nil {{
\t\tlog.Fatal(err)
\t}}
\tdefer answer.Body.Close()
\tio.Copy(os.Stdout, answer.Body)
}}""",
}
_SMTP = {
    "swaks": """swaks --server {host} --port {submission} --tls \\
  --auth-user '{username}' --auth-password '{password}' \\
  --from {sender} --to you@example.net --header 'Subject: Hello' --body 'It works.'""",
    "Python": """import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"], message["To"], message["Subject"] = "{sender}", "you@example.net", "Hello"
message.set_content("It works.")
with smtplib.SMTP_SSL("{host}", {submissions}) as server:
    server.login("{username}", "{password}")
    server.send_message(message)""",
    "Node.js": """import nodemailer from "nodemailer"; // npm install nodemailer

const transport = nodemailer.createTransport({{
  host: "{host}", port: {submissions}, secure: true,
  auth: {{ user: "{username}", pass: "{password}" }},
}});
await transport.sendMail({{ from: "{sender}", to: "you@example.net", subject: "Hello", text: "It works." }});""",
    "PHP": """<?php
require "vendor/autoload.php";  // composer require phpmailer/phpmailer

$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mail->isSMTP();
$mail->Host = "{host}";
$mail->Port = {submissions};
$mail->SMTPSecure = "ssl";
$mail->SMTPAuth = true;
$mail->Username = "{username}";
$mail->Password = "{password}";
$mail->setFrom("{sender}");
$mail->addAddress("you@example.net");
$mail->Subject = "Hello";
$mail->Body = "It works.";
$mail->send();""",
    "Ruby": """require "mail" # gem install mail

Mail.defaults do
  delivery_method :smtp, address: "{host}", port: {submissions}, ssl: true,
    user_name: "{username}", password: "{password}", authentication: :plain
end
Mail.deliver {{ from "{sender}"; to "you@example.net"; subject "Hello"; body "It works." }}""",
    "Go": """package main

import (
\t"log"
\t"net/smtp"
)

func main() {{
\tauth := smtp.PlainAuth("", "{username}", "{password}", "{host}")
\tmessage := []byte("From: {sender}\\r\\nTo: you@example.net\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n")
\terr := smtp.SendMail("{host}:{submission}", auth, "{sender}", []string{{"you@example.net"}}, message)
\tif err != nil {{
\t\tlog.Fatal(err)
\t}}
}}""",
}


def api_snippets(settings: Settings, sender: str, token: str) -> dict[str, str]:
    """How to send by the API, by language."""
    values = {"url": settings.public_url, "sender": sender, "token": token}
    return {language: snippet.format(**values) for language, snippet in _API.items()}


def smtp_snippets(settings: Settings, sender: str, username: str, password: str) -> dict[str, str]:
    """How to send by SMTP, by language."""
    values = {
        "host": mail_host(settings),
        "submission": settings.submission_port,
        "submissions": settings.submissions_port,
        "sender": sender,
        "username": username,
        "password": password,
    }
    return {language: snippet.format(**values) for language, snippet in _SMTP.items()}


def mail_host(settings: Settings) -> str:
    """The name at which clients reach the mail doors."""
    if settings.hostname != "localhost":
        return settings.hostname
    return urlsplit(settings.public_url).hostname or settings.host
