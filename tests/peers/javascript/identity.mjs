// Prints the ARN that the AWS SDK for JavaScript acts as, with the credentials that its default chain finds. With --renewed: once they
// are others than at first.
import { STSClient, GetCallerIdentityCommand } from "@aws-sdk/client-sts";

const sts = new STSClient({});
const key = async () => (await sts.config.credentials()).accessKeyId;
if (process.argv.includes("--renewed")) {
  const first = await key();
  const end = Date.now() + 40_000;
  while ((await key()) === first) {
    if (Date.now() > end) throw new Error("not renewed");
    await new Promise((next) => setTimeout(next, 500));
  }
}
console.log((await sts.send(new GetCallerIdentityCommand({}))).Arn);
