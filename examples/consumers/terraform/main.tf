terraform {
  required_providers {
    databricks = {
      source  = "databricks/databricks"
      version = "1.126.0"
    }
  }
}

provider "databricks" {}

data "databricks_current_user" "me" {}

output "user" {
  value = data.databricks_current_user.me.user_name
}
