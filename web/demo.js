/* Embeds the chatbot that the page's address names, as the line that it shows does. */
const script = document.createElement("script");
script.src = "/widget.js";
script.dataset.chatbot = new URLSearchParams(location.search).get("chatbot") ?? "ID";
script.dataset.open = "";
document.querySelector("pre").textContent =
    `<script src="${location.origin}/widget.js" data-chatbot="${script.dataset.chatbot}" async></script>`;
document.body.append(script);
