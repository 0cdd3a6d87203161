# Terraform: what depends on `terraform_data.carts_ready` is created only when new pods of carts/carts get credentials.
# It runs on the machine of Terraform, with the AWS credentials of Terraform's environment.

variable "cluster_name" {
  type = string
}

variable "role_arn" {
  type = string
}

resource "aws_eks_pod_identity_association" "carts" {
  cluster_name    = var.cluster_name
  namespace       = "carts"
  service_account = "carts"
  role_arn        = var.role_arn
}

resource "terraform_data" "carts_ready" {
  # Waits again when the association changes.
  triggers_replace = [
    aws_eks_pod_identity_association.carts.association_id,
    aws_eks_pod_identity_association.carts.role_arn,
  ]

  provisioner "local-exec" {
    command = "podid wait carts/carts --for ready --timeout 5m"
    environment = {
      PODID_CLUSTER = var.cluster_name
    }
  }
}
